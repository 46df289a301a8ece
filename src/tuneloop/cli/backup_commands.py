"""`tuneloop backup` and `restore`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    for command in (backup, restore):
        app.command(rich_help_panel="The local stack")(command)


def backup(file: Annotated[Path, typer.Argument(help="The archive to write, such as ../tuneloop-monday.tar.")]) -> None:
    """Write the whole workspace into one file, also while the stack runs and people review.

    It holds the servers' databases, data versions, models, rounds, ledgers, keys and logins: keep it as you keep those.
    Not in it are logs and jobs that wait in Argilla's queue. The file appears when it is whole.
    """
    from tuneloop.settings import Settings
    from tuneloop.stack.backup.writing import back_up

    with _progress("copying") as report:
        manifest = back_up(Settings().workspace_path, file, report)
    typer.echo(f"{file}: {len(manifest.files)} files, {sum(e.size for e in manifest.files.values()) / 1e6:,.1f} MB")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive that `tuneloop backup` wrote.")],
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in place of the workspace that is there; the stack must be down.")
    ] = False,
) -> None:
    """Make the workspace what it was when the archive was written; every file is checked first.

    The workspace may lie elsewhere than it did (TUNELOOP_WORKSPACE), also on another machine. One that is replaced is
    kept beside, as NAME.before-TIME.
    """
    from tuneloop.cli.wiring import layout_of
    from tuneloop.settings import Settings
    from tuneloop.stack.backup.restoring import restore as put_back

    layout = layout_of(Settings())
    with _progress("unpacking") as report:
        manifest = put_back(file, layout, report, replace=replace)
    typer.echo(
        f"{layout.workspace} is as it was at {manifest.created_at} ({len(manifest.files)} files). "
        "Start it with `tuneloop up`."
    )


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(
        "{task.description}", *columns, console=console, transient=True, disable=not console.is_terminal
    ) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
