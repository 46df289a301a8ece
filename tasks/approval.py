"""A person's word before a promotion: the run is suspended, holds no process, and goes on when somebody decides."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

from prefect import get_run_logger, suspend_flow_run
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.runtime import flow_run
from pydantic import Field

from tasks import wiring
from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.reports.approval_text import question_about
from tuneloop.reports.evaluation.page import page_file
from tuneloop.results import Approval, Round

APPROVAL_TIME = timedelta(days=14)
NOBODY = {"not": {"pattern": r"^\s*(gate)?\s*$"}}
"""The audit trail takes neither an empty name nor the gate's for a person's."""


class PromotionDecision(RunInput):
    """No field has a default: Resume without an answer must approve nothing."""

    decision: Literal["approve", "decline"] = Field(description="decline: the champion stays, the candidate is kept")
    by: str = Field(description="your name, for the audit trail", json_schema_extra=NOBODY)
    because: str = Field(description="why, for the audit trail", min_length=1, pattern=r"\S")


def with_approval(round_: Round, version: str) -> Round:
    """The round with a person's word on it; while there is none, the flow run ends here, suspended.

    To be called in a flow, again and again: a killed run asks anew, a resumed one finds the answer.
    """
    asked = round_.approval
    if asked is not None and asked.decision is not None:
        return round_
    if asked is not None and asked.flow_run_id == flow_run.get_id() and (said := _answer_to(round_, asked)):
        return _decided(round_, said.decision, said.by.strip(), said.because.strip())
    if asked is not None and asked.flow_run_id != flow_run.get_id():
        return _decided(round_, "unanswered", "", "the run that asked ended without an answer")
    return _ask(round_, version)


def asked_rounds(recipe: str) -> list[Round]:
    """Rounds of which a person was asked and that are not finished, oldest first."""
    return [r for r in load_rounds(wiring.workspace(), recipe) if r.approval is not None and not r.complete]


def is_ours(round_: Round) -> bool:
    """Whether this very flow run asked about the round."""
    return round_.approval is not None and round_.approval.flow_run_id == flow_run.get_id()


def still_waits(round_: Round) -> bool:
    """Whether another run is suspended over the round, or is about to be."""
    asked = round_.approval
    if asked is None or asked.decision is not None or is_ours(round_):
        return False
    if datetime.now(UTC) - datetime.fromisoformat(asked.asked_at) > APPROVAL_TIME:
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(asked.flow_run_id)).state
    except ObjectNotFound:
        return False
    return state is None or not state.is_final() or state.is_crashed()  # a crashed run is scheduled again


def _ask(round_: Round, version: str) -> Round:
    asked = round_.approval.asked + 1 if round_.approval else 1
    now = datetime.now(UTC)
    approval = Approval(flow_run_id=str(flow_run.get_id()), asked_at=now.isoformat(timespec="seconds"), asked=asked)
    round_ = round_.model_copy(update={"approval": approval})
    # Before the run is suspended: whoever comes later must know that somebody was asked, and by whom.
    save_round(wiring.workspace(), round_)
    page = page_file(wiring.workspace(), round_.recipe, round_.number)
    text = question_about(round_, version=version, page=page, until=now + APPROVAL_TIME)
    create_markdown_artifact(key=f"approval-{round_.recipe}", markdown=text)
    get_run_logger().info("round %s waits for a person: `tuneloop review approve %s`", round_.number, round_.recipe)
    suspend_flow_run(
        wait_for_input=PromotionDecision.with_initial_data(description=text),
        timeout=int(APPROVAL_TIME.total_seconds()),
        key=_key(round_, approval),
    )
    raise AssertionError("a run that has just asked cannot have its answer")


def _answer_to(round_: Round, asked: Approval) -> PromotionDecision | None:
    found = read_flow_run_input(keyset_from_base_key(f"suspended-{_key(round_, asked)}")["response"])
    return None if found is None else PromotionDecision.model_validate(found)


def _key(round_: Round, asked: Approval) -> str:
    """Each question has its own, since Prefect suspends a run under a key only once, also if it was killed."""
    return f"approve-round-{round_.number}-{asked.asked}"


def _decided(round_: Round, decision: str, by: str, because: str) -> Round:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    word = {"decision": decision, "by": by, "because": because, "decided_at": now}
    assert round_.approval is not None
    round_ = round_.model_copy(update={"approval": round_.approval.model_copy(update=word)})
    save_round(wiring.workspace(), round_)
    get_run_logger().info("round %s: %s", round_.number, decision)
    return round_
