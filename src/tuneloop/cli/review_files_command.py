"""`tuneloop review export` and `import`: review in files, for recipes with `review: {backend: files}`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tuneloop.adapters.file_backend import FileBackend, Import
    from tuneloop.settings import Settings

SHOWN = 20
"""So many bad cells are listed; the rest is counted."""


def register(review: typer.Typer) -> None:
    """Add the commands to the group `tuneloop review`."""
    review.command("export")(export)
    review.command("import")(import_)


def export(
    recipe: Annotated[Path, typer.Argument(help="A recipe with `review: {backend: files}`.")],
    *,
    reviewer: Annotated[
        list[str] | None, typer.Option(help="Make this person's own copy of each open set; may be given several times.")
    ] = None,
) -> None:
    """Show where the sheets of a recipe are, and make copies for reviewers. What was filled in is never overwritten."""
    from tuneloop.errors import DataError
    from tuneloop.recipes import load_recipe
    from tuneloop.settings import Settings

    spec = load_recipe(recipe)
    if spec.review.backend != "files":
        raise DataError(
            f"{spec.name} is reviewed in Argilla; set `review: {{backend: files}}` in {recipe} to use files"
        )
    backend = _backend(Settings(), spec.name)
    found = backend.files()
    if not found:
        typer.echo(f"{spec.name} has no review set yet: `tuneloop run {recipe}` publishes one")
    for each in found:
        progress = each.progress
        typer.echo(f"{progress.review_set}  {progress.completed} of {progress.records} records reviewed")
        for file in each.files:
            typer.echo(f"  {file}")
    for name in reviewer or ():
        for copy in backend.copies_for(name, adjudicates=name in spec.review.adjudication.adjudicators):
            typer.echo(f"{name}  {copy}")


def import_(
    file: Annotated[Path, typer.Argument(help="A filled-in sheet: .xlsx, .csv or .jsonl.")],
    *,
    reviewer: Annotated[str, typer.Option(help="Whose file it is, where its rows do not say so.")] = "",
) -> None:
    """Read a filled-in sheet back. Good rows are taken, each bad cell is named (exit code 1), and nothing counts twice.

    Names are stored as pseudonyms only. Mend what is wrong and import the file again: what was read is replaced.
    """
    from tuneloop.errors import ServiceError
    from tuneloop.settings import Settings

    settings = Settings()
    name, backend = _backend_of(settings, file)
    report = backend.import_file(file, reviewer=reviewer)
    _tell(report)
    if report.new or report.changed:
        try:
            _announce(settings, name, report.new + report.changed)
            typer.echo("They are being collected.")
        except ServiceError:
            typer.echo("The stack is down: they are collected when it is up again.")
    if any(not fault.is_kept for fault in report.faults):
        raise typer.Exit(1)


def _tell(report: Import) -> None:
    for fault in report.faults[:SHOWN]:
        typer.echo(f"{'note ' if fault.is_kept else 'WRONG'}  {fault}", err=not fault.is_kept)
    if len(report.faults) > SHOWN:
        typer.echo(f"and {len(report.faults) - SHOWN} more", err=True)
    typer.echo(
        f"{report.new} new answers, {report.changed} changed, {report.unchanged} as before; "
        f"{report.empty} rows are still empty"
    )


def _announce(settings: Settings, recipe: str, answers: int) -> None:
    from tuneloop.adapters.review_events import announce_answers
    from tuneloop.cli.wiring import prefect_api

    announce_answers(prefect_api(settings), settings.workspace_path, recipe, answers)


def _backend(settings: Settings, recipe: str) -> FileBackend:
    from tuneloop.adapters.file_backend import FileBackend
    from tuneloop.pseudonyms import pseudonym_key

    workspace = settings.workspace_path
    return FileBackend(workspace / "review-files" / recipe, pseudonym_key=pseudonym_key(workspace))


def _backend_of(settings: Settings, file: Path) -> tuple[str, FileBackend]:
    """The recipe whose review set the file is a sheet of, and its backend."""
    from tuneloop.adapters.file_backend import sets_in
    from tuneloop.errors import DataError

    names = sets_in(file)
    folder = settings.workspace_path / "review-files"
    for recipe in sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ():
        backend = _backend(settings, recipe)
        if names & backend.review_sets():
            return recipe, backend
    raise DataError(
        f"{file} belongs to no review set of {settings.workspace_path}: is it a sheet of "
        "`tuneloop review export`, with its `item` column as it was?"
    )
