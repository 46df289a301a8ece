"""A person decides before a promotion: the run is suspended, and no restart, resume or other run decides instead."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Pause
from prefect.flow_engine import run_flow
from prefect.states import AwaitingRetry, Cancelled

from tests.flows.conftest import NOUNS, TROUBLES, tiny_recipe, write_rows
from tuneloop.registry.audit_trail import AuditTrail, Entry
from tuneloop.registry.repairs import repair_from_registry
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import Approval, Round
from tuneloop.training.export.served import artefact_hash

pytestmark = pytest.mark.flow

NAME = "tiny-approval"
YES = {"decision": "approve", "by": "Ada", "because": "the answers are fine"}


@pytest.fixture(scope="module")
def recipe(place: Path) -> str:
    write_recipe(place, seed=1)
    return "approval.yaml"


def write_recipe(place: Path, *, seed: int) -> None:
    """Another seed is another model, so another round; the gate passes all of them but asks for no gain."""
    found: Any = tiny_recipe(place) | {"name": NAME, "review": {"enabled": False, "approval": True}}
    rules = [{"metric": "valid_json", "kind": "non_inferior", "margin": 1.0}]
    evaluation = {"metrics": ["valid_json"], "max_rows": 10, "max_new_tokens": 4, "rules": rules, "speed": False}
    found["evaluation"] = evaluation | dict.fromkeys(("forgetting", "red_team", "bias_pairs"))
    found["training"] |= {"seed": seed}
    found["data"]["sources"] = [{"name": "rows", "path": "approval.jsonl"}]  # enough rows for the gate to be sure
    write_rows(place / "approval.jsonl", [(f"{c} {n}", t) for c in ("red", "blue") for n in NOUNS for t in TROUBLES])
    (place / "approval.yaml").write_text(yaml.safe_dump(found))


@pytest.fixture(scope="module")
def deployment(place: Path) -> Iterator[UUID]:
    """Only a run of a deployment can be suspended."""
    from flows.retraining_cycle import retraining_cycle

    with get_client(sync_client=True) as client:
        yield client.create_deployment(client.create_flow(retraining_cycle), name="retraining-cycle")


def ask_for_run(deployment: UUID, recipe: str) -> FlowRun:
    with get_client(sync_client=True) as client:
        return client.create_flow_run_from_deployment(deployment, parameters={"recipe": recipe, "trigger": "manual"})


def work(run: FlowRun) -> State[Any]:
    """What a worker does: read the run again and execute the flow, in this process."""
    from flows.retraining_cycle import retraining_cycle

    with get_client(sync_client=True) as client:
        run = client.read_flow_run(run.id)
    with contextlib.suppress(Pause):  # a process of its own ends here
        run_flow(retraining_cycle, flow_run=run, parameters=run.parameters, return_type="state")
    return state_of(run)


def state_of(run: FlowRun) -> State[Any]:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run.id).state
    assert state is not None
    return state


def resume(run: FlowRun, answer: dict[str, str] | None) -> str:
    with get_client(sync_client=True) as client:
        return client.resume_flow_run(run.id, run_input=answer).status.value


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", NAME)


def trail(place: Path) -> list[Entry]:
    workspace = place / "workspace"
    return AuditTrail(workspace, NAME, signing_key(workspace)).entries()


def champion() -> Any:
    from tasks.registry import champion_of

    return champion_of.fn(NAME)


def test_a_model_that_passed_the_gate_waits_and_an_empty_answer_approves_nothing(
    place: Path, recipe: str, deployment: UUID
) -> None:
    run = ask_for_run(deployment, recipe)
    assert work(run).name == "Suspended"
    (round_,) = rounds_of(place)
    assert round_.approval is not None
    assert (round_.verdict.decision, round_.complete) == ("promote", False)
    assert (round_.approval.flow_run_id, round_.approval.decision) == (str(run.id), None)
    assert champion() is None
    for answer in (None, {}, {"by": "Ada", "because": "x"}, YES | {"by": " gate"}, YES | {"because": " "}):
        assert resume(run, answer) == "REJECT", answer
    assert state_of(run).name == "Suspended"


def test_another_run_does_not_ask_again_and_may_train_on_other_data(place: Path, recipe: str, deployment: UUID) -> None:
    (asked,) = rounds_of(place)
    assert work(ask_for_run(deployment, recipe)).name == "Completed"
    assert rounds_of(place) == [asked]


def test_a_run_that_was_killed_while_it_asked_asks_anew(place: Path, recipe: str, deployment: UUID) -> None:
    (asked,) = rounds_of(place)
    assert asked.approval is not None
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(asked.approval.flow_run_id))
        client.set_flow_run_state(run.id, AwaitingRetry(), force=True)  # as the automation does for crashed runs
    assert work(run).name == "Suspended"
    (again,) = rounds_of(place)
    assert again.approval is not None
    assert again.approval.asked == 2
    assert champion() is None


def test_the_answer_is_carried_out_once_and_written_down_with_name_and_reason(
    place: Path, recipe: str, deployment: UUID
) -> None:
    (asked,) = rounds_of(place)
    assert asked.approval is not None
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(UUID(asked.approval.flow_run_id))
    assert resume(run, YES) == "ACCEPT"
    assert work(run).name == "Completed"
    (round_,) = rounds_of(place)
    assert round_.complete
    assert round_.approval is not None
    assert (round_.approval.decision, round_.approval.by) == ("approve", "Ada")
    assert champion()["model_hash"] == round_.training.model_hash
    assert [(e.step, e.who, e.because) for e in trail(place)] == [
        ("intent", "Ada", "the answers are fine"),
        ("done", "Ada", "the answers are fine"),
    ]
    page = (place / f"workspace/rounds/{NAME}/report.html").read_text()
    assert "Ada" not in page
    save_round(place / "workspace", round_.model_copy(update={"complete": False}))  # killed just before its last line
    work(ask_for_run(deployment, recipe))
    assert rounds_of(place)[-1].complete
    assert len(trail(place)) == 2


def second_round(place: Path, deployment: UUID, recipe: str, seed: int) -> tuple[FlowRun, Approval]:
    write_recipe(place, seed=seed)
    if champion() is not None:  # without one the lenient gate passes anything
        set_champion(None)
    run = ask_for_run(deployment, recipe)
    assert work(run).name == "Suspended"
    approval = rounds_of(place)[-1].approval
    assert approval is not None
    return run, approval


def set_champion(version: str | None) -> None:
    """As a person does in MLflow, who then says so."""
    from tasks import wiring

    wiring.registry().set_alias(NAME, "champion", version)
    how = {"recipe": NAME, "because": "looked at it", "person": "ada", "hash_of": artefact_hash}
    assert repair_from_registry(wiring.registry(), wiring.workspace(), **how) is not None


def test_a_no_keeps_the_candidate_and_is_written_down(place: Path, recipe: str, deployment: UUID) -> None:
    run, _ = second_round(place, deployment, recipe, seed=2)
    assert resume(run, YES | {"decision": "decline", "because": "too curt"}) == "ACCEPT"
    assert work(run).name == "Completed"
    round_ = rounds_of(place)[-1]
    assert round_.complete
    assert champion() is None
    last = trail(place)[-1]
    assert (last.step, last.who, last.because, last.to_version) == ("declined", "Ada", "too curt", round_.model_version)


def test_a_run_that_was_cancelled_leaves_the_candidate_and_ends_the_question(
    place: Path, recipe: str, deployment: UUID
) -> None:
    run, _ = second_round(place, deployment, recipe, seed=3)
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, Cancelled(), force=True)
    assert work(ask_for_run(deployment, recipe)).name == "Completed"
    round_ = rounds_of(place)[-1]
    assert round_.approval is not None
    assert (round_.complete, round_.approval.decision) == (True, "unanswered")
    assert champion() is None


def test_a_question_lapses_after_its_time(place: Path, recipe: str, deployment: UUID) -> None:
    _, approval = second_round(place, deployment, recipe, seed=4)
    long_ago = (datetime.now(UTC) - timedelta(days=15)).isoformat(timespec="seconds")
    old = approval.model_copy(update={"asked_at": long_ago})
    save_round(place / "workspace", rounds_of(place)[-1].model_copy(update={"approval": old}))
    assert work(ask_for_run(deployment, recipe)).name == "Completed"
    assert rounds_of(place)[-1].approval.decision == "unanswered"  # type: ignore[union-attr]


def test_a_champion_that_changed_while_people_thought_makes_the_yes_void(
    place: Path, recipe: str, deployment: UUID
) -> None:
    from tasks import wiring

    run, _ = second_round(place, deployment, recipe, seed=5)
    registry = wiring.registry()
    set_champion(registry.versions(NAME)[0].version)
    assert resume(run, YES) == "ACCEPT"
    assert work(run).name == "Completed"
    now = {alias: v.version for v in registry.versions(NAME) for alias in v.aliases}
    assert now["champion"] == registry.versions(NAME)[0].version
    assert now["challenger"] == rounds_of(place)[-1].model_version
