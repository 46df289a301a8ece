"""What wakes the loop: whose answers are swept up, which late runs need not run, when the next turn is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import deployment, flow_run

from tasks import wiring
from tasks.outages import PAUSES_SECONDS, RETRIES
from tuneloop.recipes import Recipe
from tuneloop.registry.known_rounds import known_recipes
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import FeedbackReport
from tuneloop.review.enough_feedback import cause_for_a_turn

CYCLE = "retraining-cycle/retraining-cycle"
STALE = timedelta(hours=1)


def recipes_to_sweep() -> dict[str, str]:
    """Name -> path of the recipes that were turned in this workspace and are still there."""
    known = known_recipes(wiring.workspace())
    root = wiring.settings().root
    for name, path in known.items():
        if not (root / path).is_file():
            get_run_logger().warning("recipe %s is not at %s any more: its answers are not collected", name, path)
    return {name: path for name, path in known.items() if (root / path).is_file()}


def is_overtaken() -> bool:
    """Whether this run is an hour late, and a younger one for the same purpose is due or has run.

    After an outage every missed run starts; one of them is enough.
    """
    due = flow_run.get_scheduled_start_time()
    if due is None or datetime.now(UTC) - due < STALE or not deployment.get_id():
        return False
    younger = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.get_id()]),
        expected_start_time=FlowRunFilterExpectedStartTime(after_=due, before_=datetime.now(UTC)),
    )
    with get_client(sync_client=True) as client:
        this = client.read_flow_run(UUID(flow_run.get_id()))  # the runtime's own parameters are all strings
        found = client.read_flow_runs(flow_run_filter=younger, limit=200)
    return any(run.parameters == this.parameters and run.id != this.id for run in found)


@task(
    name="start a turn if there is cause",
    task_run_name="next turn of {recipe.name}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
)
def start_turn_if_due(recipe: Recipe, recipe_path: str, feedback: FeedbackReport) -> str | None:
    """Start the retraining cycle when enough has been said, once for each cause; returns the cause."""
    rounds = load_rounds(wiring.workspace(), recipe.name)
    if not rounds or not recipe.review.enabled:
        return None
    progress = wiring.review_desk(recipe).progress(f"{recipe.name}-")
    cause = cause_for_a_turn(rounds[-1], feedback, progress, after_answers=recipe.review.retrain_after_answers)
    if cause is None:
        return None
    try:
        run_deployment(
            CYCLE,
            parameters={"recipe": recipe_path, "trigger": "feedback"},
            timeout=0,
            idempotency_key=f"feedback-{recipe.name}-{cause}",
            as_subflow=False,
            tags=[f"recipe:{recipe.name}"],
        )
    except ObjectNotFound:
        get_run_logger().warning("%s: enough feedback for a turn, but %s is not deployed", cause, CYCLE)
    return cause
