"""Publish review sets, and conflicts between reviewers, with a form that says what is asked."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from tuneloop.ports import AnnotationBackend, ReviewForm, ReviewKind
from tuneloop.recipes import Recipe
from tuneloop.results import ReviewReport
from tuneloop.review.adjudication import mark_published, new_cases
from tuneloop.review.judging import Judgement
from tuneloop.review.review_sets import ReviewSet
from tuneloop.workflows.review_sets.items import Occasion
from tuneloop.workspaces import feedback_folder

GUIDELINES = "Rate each answer, and correct it where you would have written something else."
GUIDELINES_OF_ADJUDICATION = "Choose the version you would send; write your own where neither is right."
Choose = Callable[[], ReviewSet | None]
_log = logging.getLogger(__name__)


def publish_set(
    occasion: Occasion,
    choose: Choose,
    *,
    open_backend: Callable[[], AnnotationBackend],
    show: Callable[[ReviewReport], None],
) -> ReviewReport | None:
    """Publish the set; `choose` makes it where it was not chosen before, and `show` is called once it is published.

    Cut off anywhere, the next call goes on with the same records. The backend is opened only when there is something to
    publish: without a server, sets that are published already do no harm.
    """
    sets = occasion.sets
    found = sets.find(occasion.name) or choose()
    if found is None:
        return None
    if found.url:
        return _report(found)
    form = form_of(occasion.recipe, found.kind, occasion.setup.root)
    report = _report(sets.mark_published(found, open_backend().publish(found.name, found.items, form)))
    show(report)
    return report


def publish_conflicts(
    recipe: Recipe, waiting: Sequence[Judgement], *, root: Path, workspace: Path, backend: AnnotationBackend
) -> int:
    """Publish the conflicts between reviewers that are in no adjudication set yet; returns how many.

    Killed anywhere and called again, it ends as it began: a case belongs to one set for ever, and a backend adds an
    item to a set once.
    """
    folder = feedback_folder(workspace, recipe.name)
    cases = new_cases(folder, waiting, recipe=recipe.name, most=recipe.review.max_records)
    for name, items in cases.items():
        url = backend.publish(name, items, form_of(recipe, "adjudication", root))
        mark_published(folder, name, items)
        _log.info("%d conflicts wait for a decision in %s: %s", len(items), name, url)
    return sum(map(len, cases.values()))


def form_of(recipe: Recipe, kind: ReviewKind, root: Path) -> ReviewForm:
    """Return what is asked about the items of a set. A conflict is decided by one person, without rating it."""
    review, is_conflict = recipe.review, kind == "adjudication"
    usual = GUIDELINES_OF_ADJUDICATION if is_conflict else GUIDELINES
    return ReviewForm(
        (root / review.guidelines).read_text("utf-8") if review.guidelines else usual,
        kind=kind,
        issue_tags=() if is_conflict else review.issue_tags,
        dimensions=() if is_conflict else review.dimensions,
        min_submitted=1 if is_conflict else review.min_submitted,
        text_format=review.text_format,
    )


def _report(found: ReviewSet) -> ReviewReport:
    return ReviewReport(
        review_set=found.name,
        url=found.url,
        records=len(found.items),
        kind=found.kind,
        counts=dict(found.counts),
        notes=list(found.notes),
    )
