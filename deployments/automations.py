"""Automations as code: create or update by name. `tuneloop deploy` runs this after the deployments.

(`prefect automation create --from-file` makes a copy at every run, and needs deployment ids that nobody knows before.)
"""

from __future__ import annotations

from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.schemas.automations import AutomationCore as Automation
from prefect.events.schemas.automations import EventTrigger, Posture

DRIFT_EVENT = "tuneloop.drift.detected"
ANSWERED_EVENT = "tuneloop.review.answered"
CYCLE = "retraining-cycle/retraining-cycle"
COLLECT = "human-review/human-review"


def retrain_on_drift() -> Automation:
    """A drift event starts the retraining cycle of the recipe that the event names."""
    return Automation(
        name="retrain on drift",
        description="Drift in production traffic starts a retraining cycle.",
        tags=["tuneloop"],
        trigger=_each(DRIFT_EVENT),
        actions=[_run_of_its_recipe(CYCLE, trigger="drift")],
    )


def collect_on_answers() -> Automation:
    """Answers of reviewers start collecting for the recipe that the event names; whoever emits it counts bursts."""
    return Automation(
        name="collect answers",
        description="People have answered in a review set: their answers are collected.",
        tags=["tuneloop"],
        trigger=_each(ANSWERED_EVENT),
        actions=[_run_of_its_recipe(COLLECT)],
    )


def resume_crashed() -> Automation:
    """A run whose process was killed is scheduled again; it goes on from its last checkpoint.

    Ten seconds later, if nothing else has happened to it: its end is reported by Prefect's runner and its worker, one
    after the other, and the second report would crash what the first has already started again. A report that finds the
    run crashed is refused. (The stack's keeper schedules those of which the server forgot the event.)
    """
    return Automation(
        name="resume crashed cycle",  # kept from when it was for cycles alone: automations are known by name
        description="A run of ours that crashed is scheduled again.",
        tags=["tuneloop"],
        trigger=EventTrigger(
            after={"prefect.flow-run.Crashed"},
            expect={"prefect.flow-run.*"},
            match={"prefect.resource.id": "prefect.flow-run.*"},
            match_related={"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.tuneloop"},
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=10),
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry")],
    )


def _each(event: str) -> EventTrigger:
    return EventTrigger(
        expect={event},
        match={"prefect.resource.id": "tuneloop.recipe.*"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )


def _run_of_its_recipe(deployment: str, **parameters: str) -> RunDeployment:
    with get_client(sync_client=True) as client:
        found = client.read_deployment_by_name(deployment)
    recipe = {"__prefect_kind": "jinja", "template": "{{ event.payload.recipe }}"}
    return RunDeployment(source="selected", deployment_id=found.id, parameters={"recipe": recipe, **parameters})


def upsert(wanted: Automation) -> str:
    """Create the automation, or bring the one of that name up to date; returns what was done."""
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(wanted.name)
        if not found:
            client.create_automation(wanted)
            return "created"
        client.update_automation(found[0].id, wanted)
        return "updated"


def main() -> None:
    for automation in (retrain_on_drift(), collect_on_answers(), resume_crashed()):
        print(f"automation {automation.name!r}: {upsert(automation)}")


if __name__ == "__main__":
    main()
