"""How the review stands, in the UI and as a page: progress, agreement, conflicts, what people's words became."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks import wiring
from tuneloop.lineage.people_rows import people_rows
from tuneloop.ports import SetProgress
from tuneloop.recipes import Recipe
from tuneloop.reports import review as tables
from tuneloop.reports.markdown import code, plain, table
from tuneloop.reports.review import write_review_page
from tuneloop.results import ReviewSummary
from tuneloop.review.adjudication import unpublished
from tuneloop.review.agreement import read_judge_agreement
from tuneloop.review.collecting import ACCEPTED, Examined, examined
from tuneloop.review.ledger import read_ledger
from tuneloop.review.outputs import DERIVED
from tuneloop.review.review_sets import is_set_of
from tuneloop.review.rows import read_rows
from tuneloop.review.summary import summarise


def review_state(recipe: Recipe) -> Examined:
    """The recipe's ledger, examined."""
    folder = wiring.feedback_folder(recipe.name)
    return examined(list(read_ledger(folder).values()), folder=folder, limits=recipe.review.adjudication)


def show_review(recipe: Recipe, found: Examined | None = None) -> Path:
    """Write the report anew and put it into the UI; returns the page's path."""
    folder = wiring.feedback_folder(recipe.name)
    found = found or review_state(recipe)
    summary = summarise(
        recipe.name,
        found,
        _progress(recipe),
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows={name: len(read_rows(folder / name)) for name in DERIVED},
        accepted=len(read_rows(folder / ACCEPTED)),
        set_aside=people_rows(wiring.workspace(), recipe.name),
        judge=read_judge_agreement(folder),
        unpublished=unpublished(folder, found.waiting),
    )
    page = write_review_page(folder, summary)
    create_markdown_artifact(key=f"feedback-{recipe.name}", markdown=review_markdown(summary, page))
    if summary.sets:
        create_table_artifact(
            key=f"review-sets-{recipe.name}", table=tables.set_rows(summary), description=tables.headline(summary)
        )
    return page


def review_markdown(summary: ReviewSummary, page: Path) -> str:
    """What matters of the page: counts and pseudonyms, no texts."""
    waits = "\n".join(f"- {plain(line)}" for line in summary.waits) or "Nobody is waited for."
    parts = [
        f"## {plain(tables.headline(summary))}",
        waits,
        f"### What became of it\n\n{table(tables.output_rows(summary))}",
        plain(tables.set_aside_sentence(summary)),
        table(tables.set_aside_rows(summary)),
        f"### Agreement\n\n{table(tables.agreement_rows(summary))}" if summary.agreement else "",
        f"### Answers drawn at random\n\n{table(tables.quality_rows(summary))}" if summary.quality else "",
        f"The whole report: {code(str(page))}",
    ]
    return "\n\n".join(filter(None, parts))


def _progress(recipe: Recipe) -> Sequence[SetProgress]:
    if not recipe.review.enabled:
        return []
    told = wiring.review_desk(recipe).progress(f"{recipe.name}-")
    return [each for each in told if is_set_of(recipe.name, each.review_set)]
