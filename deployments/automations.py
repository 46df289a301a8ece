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
CYCLE = "retraining-cycle/retraining-cycle"


def retrain_on_drift() -> Automation:
    """A drift event starts the retraining cycle of the recipe that the event names."""
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(CYCLE)
    recipe = {"__prefect_kind": "jinja", "template": "{{ event.payload.recipe }}"}
    return Automation(
        name="retrain on drift",
        description="Drift in production traffic starts a retraining cycle.",
        tags=["tuneloop"],
        trigger=EventTrigger(
            expect={DRIFT_EVENT},
            match={"prefect.resource.id": "tuneloop.recipe.*"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="selected", deployment_id=deployment.id, parameters={"recipe": recipe, "trigger": "drift"}
            )
        ],
    )


def resume_crashed() -> Automation:
    """A cycle whose process was killed is scheduled again; it goes on from its last checkpoint."""
    return Automation(
        name="resume crashed cycle",
        description="A retraining cycle that crashed is scheduled again.",
        tags=["tuneloop"],
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match_related={"prefect.resource.role": "deployment", "prefect.resource.name": "retraining-cycle"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[ChangeFlowRunState(state=StateType.SCHEDULED, name="AwaitingRetry")],
    )


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
    for automation in (retrain_on_drift(), resume_crashed()):
        print(f"automation {automation.name!r}: {upsert(automation)}")


if __name__ == "__main__":
    main()
