"""Comparing production traffic with what the model was trained on."""

from __future__ import annotations

from uuid import NAMESPACE_URL, UUID, uuid5

from prefect import get_run_logger, task
from prefect.events import emit_event

from tasks import wiring
from tasks.checks import show_traffic_checks
from tasks.display import show_drift
from tuneloop.recipes import Recipe
from tuneloop.results import DriftReport, Round
from tuneloop.workflows.watch_drift import watch_drift

DRIFT_EVENT = "tuneloop.drift.detected"


@task(name="compare traffic", task_run_name="drift {recipe.name}", timeout_seconds=1800)
def compare_traffic(recipe: Recipe, recipe_path: str, last: Round) -> DriftReport:
    """Test the newest window of traffic against the latest round's training rows; drift is told as an event."""

    def announce(report: DriftReport) -> None:
        get_run_logger().warning("drift: emitting event %s", emit_drift(recipe.name, recipe_path, report))

    report, window = watch_drift(
        recipe, last, workspace=wiring.workspace(), embedder=wiring.embedder(), announce=announce
    )
    show_drift(recipe.name, report)
    if report.window_rows:
        show_traffic_checks(recipe, window)
    return report


def emit_drift(recipe: str, recipe_path: str, report: DriftReport) -> UUID:
    """Tell the automation; returns the event's id, the same one however often a killed run announces the window."""
    event_id = uuid5(NAMESPACE_URL, f"{DRIFT_EVENT}/{report.window_id}")
    emit_event(
        event=DRIFT_EVENT,
        id=event_id,
        resource={"prefect.resource.id": f"tuneloop.recipe.{recipe}", "prefect.resource.name": recipe},
        payload={
            "recipe": recipe_path,
            "window_id": report.window_id,
            "p_value": report.p_value,
            "effect": report.effect,
        },
    )
    return event_id
