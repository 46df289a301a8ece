"""`tuneloop review status` and `report`: how the review stands, as of the last collection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneloop.cli.consoles import wide_console

if TYPE_CHECKING:
    from tuneloop.results import ReviewSummary


RecipeName = Annotated[str | None, typer.Option("--recipe", help="Only the recipe with this name.")]


def register(review_app: typer.Typer) -> None:
    for command in (status, report):
        review_app.command()(command)


def status(
    *,
    recipe: RecipeName = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs.")] = False,
) -> None:
    """Show what waits for whom, set by set; agreement, conflicts, reviewers, and what people's words became.

    It is what the last collection found: answers start one, and a schedule does. People appear by pseudonym;
    `tuneloop review people` tells who they are.
    """
    from tuneloop.reports.review import print_review

    found = _summaries(recipe)
    if as_json:
        typer.echo(json.dumps([summary.model_dump(mode="json") for _, summary in found], indent=2))
        return
    for _, summary in found:
        print_review(summary, wide_console())


def report(*, recipe: RecipeName = None) -> None:
    """Print where the review report is: a page that opens offline."""
    from tuneloop.reports.review import PAGE

    for folder, _ in _summaries(recipe):
        typer.echo(str(folder / PAGE))


def _summaries(recipe: str | None) -> list[tuple[Path, ReviewSummary]]:
    from tuneloop.errors import DataError
    from tuneloop.reports.review import read_summaries
    from tuneloop.settings import Settings

    workspace = Settings().workspace_path
    found = [(folder, summary) for folder, summary in read_summaries(workspace) if recipe in {None, summary.recipe}]
    if not found:
        of = f" of {recipe}" if recipe else ""
        raise DataError(
            f"no answers{of} have been collected in {workspace} yet: a cycle of the loop does it (`tuneloop run "
            "RECIPE`), and the deployment human-review every hour"
        )
    return found
