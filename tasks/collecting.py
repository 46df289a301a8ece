"""Collecting feedback, and the report of the review."""

from __future__ import annotations

from prefect import task

from tasks import wiring
from tasks.caching import PAUSES_SECONDS, RETRIES
from tasks.checks import show_feedback_checks
from tasks.display import show_review
from tuneloop.recipes import Recipe
from tuneloop.results import FeedbackReport
from tuneloop.review.collecting import Examined
from tuneloop.workflows import collect_feedback as workflow


@task(
    name="collect feedback", task_run_name="collect {recipe.name}", retries=RETRIES, retry_delay_seconds=PAUSES_SECONDS
)
def collect_feedback(recipe: Recipe) -> FeedbackReport:
    """Turn reviewers' responses and answers edited in production into rows, each exactly once."""
    here = wiring.settings()
    report, found = workflow.collect_feedback(
        recipe,
        root=here.root,
        workspace=here.workspace_path,
        backend=wiring.annotation_backend(recipe) if recipe.review.enabled else None,
        check=lambda answers: show_feedback_checks(recipe, answers),
    )
    refresh_review(recipe, found)
    return report


def refresh_review(recipe: Recipe, found: Examined | None = None) -> None:
    """Write the review report anew and show it."""
    workspace = wiring.workspace()
    found = found or workflow.review_state(recipe, workspace)
    backend = wiring.annotation_backend(recipe) if recipe.review.enabled else None
    show_review(*workflow.report_review(recipe, found, workspace=workspace, backend=backend))
