"""Collect what people have said. An event starts it when they do, a schedule sweeps up what the event missed.

It holds no process while people work, and starts a retraining cycle when enough has been said.
"""

from __future__ import annotations

from prefect import flow, get_run_logger

from tasks import wiring
from tasks.collecting import collect_feedback
from tasks.runs import is_overtaken, only_attempt, start_cycle_if_due
from tuneloop.errors import TuneloopError
from tuneloop.results import FeedbackReport
from tuneloop.workflows.collect_feedback import recipes_to_sweep


@flow(name="human-review", flow_run_name="{recipe}")
def human_review(recipe: str | None = None) -> list[FeedbackReport]:
    """Fetch new ratings and corrections from where people review.

    Args:
        recipe: Path of the recipe under the project's root; empty: all recipes that were ever turned here.
    """
    with only_attempt():
        return collected_from(recipe)


def collected_from(recipe: str | None) -> list[FeedbackReport]:
    """What people have said on one recipe, or on all."""
    if is_overtaken():
        get_run_logger().warning("skipped: this run is late, and a younger one collects the same answers")
        return []
    here = wiring.settings()
    paths = [recipe] if recipe else list(recipes_to_sweep(here.root, here.workspace_path).values())
    found, failed = [], []
    for path in paths:
        try:
            found.append(collected(path))
        except TuneloopError as error:  # one recipe's trouble must not keep the others' answers
            get_run_logger().error("%s: %s", path, error)
            failed.append(path)
    if failed:
        raise TuneloopError(f"answers of {', '.join(failed)} were not collected; the lines above say why")
    return found


def collected(path: str) -> FeedbackReport:
    """What people have said on one recipe; a cycle starts if that is enough."""
    spec = wiring.recipe_at(path)
    report = collect_feedback(spec)
    start_cycle_if_due(spec, path, report)
    return report
