"""Look at production traffic; when it has drifted, say so with an event. An automation turns the event into a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from tasks import wiring
from tasks.drift import compare_traffic
from tasks.publishing import publish_drifted_slice
from tasks.runs import only_attempt
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import DriftReport

STALE = timedelta(hours=1)


@flow(name="drift-watch", flow_run_name="{recipe}")
def drift_watch(recipe: str = "deployments/recipes/support-desk.yaml") -> DriftReport | None:
    """Compare the newest traffic with the training data.

    Args:
        recipe: Path of the recipe under the project's root.
    """
    with only_attempt():
        return watched(recipe)


def watched(recipe: str) -> DriftReport | None:
    """What has drifted; None where there is nothing to compare with, or a newer run that will do it."""
    logger = get_run_logger()
    scheduled = flow_run.get_scheduled_start_time()
    if scheduled is not None and datetime.now(UTC) - scheduled > STALE:
        logger.warning("skipped: this run was due at %s, and a newer one will look at the same traffic", scheduled)
        return None
    spec = wiring.recipe_at(recipe)
    rounds = load_rounds(wiring.workspace(), spec.name)
    if not rounds:
        logger.info("no round yet, so there is nothing to compare with")
        return None
    report = compare_traffic(spec, recipe, rounds[-1])
    publish_drifted_slice(spec, rounds[-1])
    return report
