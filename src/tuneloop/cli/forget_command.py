"""`tuneloop forget`: erase a person's words from this workspace, and say what cannot forget."""

from __future__ import annotations

import getpass
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.consoles import wide_console
from tuneloop.errors import ServiceError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.settings import Settings
    from tuneloop.workflows.forgetting import Forgetting
    from tuneloop.workflows.forgetting.forget import Names, Report


def register(app: typer.Typer) -> None:
    app.command(rich_help_panel="The loop")(forget)


def forget(
    text_or_id: Annotated[
        str, typer.Argument(help="Words, the id of a row, or a reviewer's name or pseudonym; - reads standard input.")
    ],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before erasing.")] = False,
    because: Annotated[str, typer.Option(help="Why, such as a case number; kept, so name nobody in it.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs; needs --yes or --dry-run.")] = False,
) -> None:
    """Erase a person's words from every place of the workspace where they stand.

    Words are looked for anywhere inside any text, cell or name, without regard to case, to kinds of white space and to
    how Unicode writes them (NFKC); at least 4 characters. A row, answer or record that holds them goes as a whole;
    where an entry has to stay (rounds, parameters, logs), the text is replaced by [forgotten]. The id of a row erases
    the row, its copies and what was made of it, and looks everywhere for texts that only this row has. A reviewer's
    name is replaced by the pseudonym that the answers carry; the answers stay, and the account cannot log in any more.

    What cannot be erased is named: models that were trained on the rows, and sources outside of the workspace. Rows
    that come in again from there are set aside, reason `forgotten`, by keyed marks from which no word can be read.

    The stack has to be down, since a server or a run at work could write the words back. Killed at any moment, the same
    command finishes. Words on a command line stay in the shell's history: `-` reads them from standard input.

    Exit code 0: erased, or nothing found. 1: something could not be erased, or you did not confirm.
    """
    from tuneloop.settings import Settings
    from tuneloop.workflows.forgetting import carry_out, plan

    if as_json and not (yes or dry_run):
        raise typer.BadParameter("--json goes with --yes or --dry-run")
    settings, console = Settings(), wide_console()
    request = sys.stdin.read().strip() if text_or_id == "-" else text_or_id
    workspace = settings.workspace_path
    if not workspace.is_dir():
        raise ServiceError(f"there is no workspace at {workspace}: run this in the project, or set TUNELOOP_WORKSPACE")
    if not dry_run:
        _require_quiet(settings)
    names = _names(workspace)
    with _progress("looking") as report:
        found = plan(workspace, settings.root, request, names, report=report)
    _show(found, console, as_json=as_json, dry_run=dry_run)
    for url in filter(None, (settings.argilla_url, settings.mlflow_url)):
        typer.echo(f"not reached: the server at {url}; delete there what it holds", err=True)
    if dry_run or found.is_nothing:
        return
    if not (yes or typer.confirm("Erase all of this? It cannot be undone.", err=True)):
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)
    with _progress("erasing") as report:
        carry_out(found, names, by=getpass.getuser(), because=because, report=report)
    typer.echo("erased; the next data version leaves such rows out", err=True)


def _require_quiet(settings: Settings) -> None:
    from tuneloop.cli.wiring import layout_of
    from tuneloop.stack.processes import marked_processes

    busy = marked_processes(layout_of(settings))
    if busy:
        raise ServiceError(
            f"the stack is up ({len(busy)} processes), and what is at work could write the words back: run "
            "`tuneloop down` first, then this, then `tuneloop up`; --dry-run works at any time"
        )


def _names(workspace: Path) -> Names:
    from tuneloop.adapters.argilla.teams import pseudonym
    from tuneloop.adapters.file_backend.importing import reviewer_id
    from tuneloop.pseudonyms import pseudonym_key
    from tuneloop.training.base_models import folder_hash
    from tuneloop.workflows.forgetting.forget import Names

    key = pseudonym_key(workspace)
    return Names(
        of_account=lambda user: pseudonym(key, user),
        of_sheet=lambda name: reviewer_id(name, key),
        hash_of=folder_hash,
    )


def _show(found: Forgetting, console: Console, *, as_json: bool, dry_run: bool) -> None:
    """Places and counts; the words themselves are never printed."""
    if as_json:
        typer.echo(json.dumps(_summary(found), indent=2))
        return
    from tuneloop.reports.data.terminal import say

    kind = "the row" if found.wanted.ids else "the words"
    if found.is_nothing:
        say(console, f"nothing in {found.workspace} holds {kind}")
    elif found.unfinished:
        say(console, "this was begun before and did not end; it goes on", style="yellow")
    for at in found.others_unfinished:
        say(console, f"another request, of {at}, has not ended: give its command again too", style="bold red")
    for place, count in found.counts.items():
        say(console, f"  {count:>7,}  {place}")
    if found.total:
        said = "would be erased" if dry_run else "to erase"
        say(console, f"{found.total:,} rows, cells or texts in {len(found.files)} files {said}", style="bold")
    _show_what_stays(found, console)


def _show_what_stays(found: Forgetting, console: Console) -> None:
    """Files that only their owner can erase, models, sources outside, signatures."""
    from tuneloop.reports.data.terminal import say

    for path in found.unreadable:
        say(console, f"cannot be erased by this command, delete it yourself: {path}", style="bold red")
    for model in found.models:
        version = f", version {model.model_version}" if model.model_version else ""
        seen = f" ({', '.join(model.splits)} of data version {model.data_version})" if model.splits else ""
        champion = "IN PRODUCTION: " if model.is_champion else ""
        say(console, f"cannot forget: {champion}{model.name}{version}{seen}: {model.advice}", style="yellow")
    for source in found.outside:
        there = f"{source.rows:,} rows" if source.rows is not None else source.problem
        say(console, f"outside the workspace, not touched: {source.name} ({source.path}): {there}", style="yellow")
    for round_ in found.verdicts:
        say(console, f"the signed verdict of {round_} names it, and will not verify afterwards", style="yellow")


def _summary(found: Forgetting) -> dict[str, object]:
    return {
        "places": found.counts,
        "files": found.files,
        "models": [model.as_entry() for model in found.models],
        "outside": [{"name": s.name, "path": s.path, "rows": s.rows, "problem": s.problem} for s in found.outside],
        "cannot_be_erased": found.unreadable,
        "verdicts": found.verdicts,
    }


@contextmanager
def _progress(what: str) -> Iterator[Report]:
    """A bar on a terminal; elsewhere nothing, so that logs stay short."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("files"),
        console=Console(stderr=True), disable=not sys.stderr.isatty(), transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
