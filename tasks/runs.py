"""Flow runs: one process for each, late ones left out, and the next cycle started when there is cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from prefect import get_run_logger, task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
)
from prefect.deployments import run_deployment
from prefect.exceptions import Abort, ObjectNotFound
from prefect.runtime import deployment, flow_run

from tasks import wiring
from tasks.caching import PAUSES_SECONDS, RETRIES
from tuneloop.errors import TuneloopError
from tuneloop.files import lock
from tuneloop.recipes import Recipe
from tuneloop.results import FeedbackReport
from tuneloop.workflows.collect_feedback import cause_of_next_cycle

CYCLE = "retraining-cycle/retraining-cycle"
MAX_ATTEMPTS = 4
STALE = timedelta(hours=1)


@contextmanager
def only_attempt() -> Iterator[None]:
    """Do the work of this run, unless it has crashed too often, or another process is at it.

    A crash is reported by Prefect's runner, its worker and our keeper, seconds apart, so that a run may be started
    twice. The second process ends at once and leaves the run's state to the first.

    Raises:
        TuneloopError: it has crashed four times.
    """
    if flow_run.get_run_count() > MAX_ATTEMPTS:
        raise TuneloopError(
            f"this run has crashed {MAX_ATTEMPTS} times; look at the worker's log before starting another"
        )
    file = _lock_file(flow_run.get_id())
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(file, timeout_seconds=0))
        except TimeoutError:
            get_run_logger().warning("this run has a process already: this second one ends")
            raise Abort("another process carries out this run") from None
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


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
def start_cycle_if_due(recipe: Recipe, recipe_path: str, feedback: FeedbackReport) -> str | None:
    """Start the retraining cycle when there is enough feedback, once for each cause; returns the cause."""
    cause = cause_of_next_cycle(
        recipe, feedback, workspace=wiring.workspace(), open_backend=lambda: wiring.annotation_backend(recipe)
    )
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
        get_run_logger().warning("%s: enough feedback for a cycle, but %s is not deployed", cause, CYCLE)
    return cause


def _lock_file(run_id: str) -> Path:
    folder = wiring.workspace() / "run" / "attempts"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{run_id}.lock"
