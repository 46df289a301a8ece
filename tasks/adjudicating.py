"""Putting records on which reviewers disagree before somebody who decides."""

from __future__ import annotations

from collections.abc import Sequence

from prefect import get_run_logger

from tasks import wiring
from tuneloop.ports import ReviewForm
from tuneloop.recipes import Recipe
from tuneloop.review.adjudication import mark_published, new_cases
from tuneloop.review.judging import Judgement

DEFAULT_GUIDELINES = "Choose the version you would send; write your own where neither is right."


def send_to_adjudication(recipe: Recipe, waiting: Sequence[Judgement]) -> int:
    """Publish the conflicts that are in no adjudication set yet; returns how many.

    Killed anywhere and called again, it ends as it began: a case belongs to one set for ever, and a desk adds an item
    to a set once.
    """
    folder = wiring.feedback_folder(recipe.name)
    cases = new_cases(folder, waiting, recipe=recipe.name, most=recipe.review.max_records)
    for name, items in cases.items():
        url = wiring.review_desk(recipe).publish(name, items, _form(recipe))
        mark_published(folder, name, items)
        get_run_logger().info("%d conflicts wait for a decision in %s: %s", len(items), name, url)
    return sum(map(len, cases.values()))


def _form(recipe: Recipe) -> ReviewForm:
    guidelines = recipe.review.guidelines
    return ReviewForm(
        (wiring.settings().root / guidelines).read_text("utf-8") if guidelines else DEFAULT_GUIDELINES,
        kind="adjudication",
        min_submitted=1,
        text_format=recipe.review.text_format,
    )
