"""Collect what people have said so far. Runs on a schedule as a sweep; holds no process while people work."""

from __future__ import annotations

from prefect import flow

from tasks import wiring
from tasks.collecting import collect_feedback
from tuneloop.results import FeedbackReport


@flow(name="human-review", flow_run_name="{recipe}")
def human_review(recipe: str = "deployments/recipes/support-desk.yaml") -> FeedbackReport:
    """Fetch new ratings and corrections from Argilla.

    Args:
        recipe: Path of the recipe under the project's root.
    """
    return collect_feedback(wiring.recipe_at(recipe))
