"""Approval by a person, and the promotion: the run is suspended, holds no process, and goes on with the answer."""

from __future__ import annotations

import logging
from typing import Literal, NoReturn
from uuid import UUID

from prefect import get_run_logger, suspend_flow_run, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect.input import RunInput, read_flow_run_input
from prefect.input.run_input import keyset_from_base_key
from prefect.runtime import flow_run
from pydantic import Field

from tasks import wiring
from tasks.caching import PAUSES_SECONDS, RETRIES, worth_repeating
from tuneloop.registry.promotion_checks import StaleVerdict
from tuneloop.registry.promotions import decline as decline_version
from tuneloop.registry.promotions import mark_registered
from tuneloop.registry.promotions import promote as promote_version
from tuneloop.results import Approval, Round, Verdict
from tuneloop.training.export.served import artefact_hash
from tuneloop.workflows.approve import APPROVAL_TIME, ask, is_lapsed, save_decision
from tuneloop.workflows.register import round_of_version

BY_THE_GATE = "every rule of the gate holds"
NOT_A_NAME = {"not": {"pattern": r"^\s*(gate)?\s*$"}}
"""The audit trail takes neither an empty name nor the gate's for a person's."""
_log = logging.getLogger(__name__)


class PromotionDecision(RunInput):
    """The answer to the question. No field has a default: Resume without an answer must approve nothing."""

    decision: Literal["approve", "decline"] = Field(description="decline: the champion stays, the candidate is kept")
    by: str = Field(description="your name, for the audit trail", json_schema_extra=NOT_A_NAME)
    because: str = Field(description="why, for the audit trail", min_length=1, pattern=r"\S")


def with_approval(round_: Round, version: str) -> Round:
    """Return the round with a person's decision in it; while there is none, the flow run ends here, suspended.

    To be called in a flow, again and again: a killed run asks anew, a resumed one finds the answer.
    """
    asked, workspace = round_.approval, wiring.workspace()
    if asked is None or (asked.decision is None and is_ours(round_)):
        answer = _answer_to(round_, asked) if asked else None
        if answer is None:
            _ask(round_, version)
        round_ = save_decision(workspace, round_, answer.decision, by=answer.by.strip(), because=answer.because.strip())
    elif asked.decision is None:
        because = "the run that asked ended without an answer"
        round_ = save_decision(workspace, round_, "unanswered", because=because)
    return round_


def is_ours(round_: Round) -> bool:
    """Whether this very flow run asked about the round."""
    return round_.approval is not None and round_.approval.flow_run_id == flow_run.get_id()


def still_waits(round_: Round) -> bool:
    """Whether another run is suspended over the round, or is about to be."""
    asked = round_.approval
    if asked is None or asked.decision is not None or is_ours(round_) or is_lapsed(asked):
        return False
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(asked.flow_run_id)).state
    except ObjectNotFound:
        return False
    return state is None or not state.is_final() or state.is_crashed()  # a crashed run is scheduled again


@task(
    name="promote",
    task_run_name="promote version {version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def promote(recipe: str, version: str, approval: Approval | None = None) -> None:
    """Make the version the champion, as the gate (and a person, if asked) decided: one idempotent step, last in the
    round.

    A verdict that compared with another champion than today's promotes nothing: the version waits for a person.
    """
    registry, workspace = wiring.registry(), wiring.workspace()
    round_ = round_of_version(registry, workspace, recipe, version)
    try:
        entry = promote_version(
            registry, workspace, recipe=recipe, version=version, round_=round_,
            because=approval.because if approval else BY_THE_GATE, person=approval.by if approval else None,
            hash_of=artefact_hash, as_judged=True,
        )  # fmt: skip
    except StaleVerdict as error:
        mark_registered(registry, workspace, recipe=recipe, version=version, decision="needs_review")
        _log.warning("version %s was not promoted: %s", version, error)
        return
    if entry is not None:
        _log.info("version %s: %s, audit line %s", version, entry.step, entry.number)


@task(
    name="decline",
    task_run_name="decline version {version}",
    retries=RETRIES,
    retry_delay_seconds=PAUSES_SECONDS,
    retry_condition_fn=worth_repeating,
)
def decline(recipe: str, version: str, verdict: Verdict, approval: Approval) -> None:
    """Write a person's refusal into the audit trail; the version stays what it is."""
    decline_version(
        wiring.registry(), wiring.workspace(), recipe=recipe, version=version, verdict=verdict,
        because=approval.because, person=approval.by,
    )  # fmt: skip


def _ask(round_: Round, version: str) -> NoReturn:
    """Suspend this run until the question is answered."""
    approval, question = ask(wiring.workspace(), round_, version=version, flow_run_id=str(flow_run.get_id()))
    create_markdown_artifact(key=f"approval-{round_.recipe}", markdown=question)
    get_run_logger().info("round %s waits for a person: `tuneloop review approve %s`", round_.number, round_.recipe)
    suspend_flow_run(
        wait_for_input=PromotionDecision.with_initial_data(description=question),
        timeout=int(APPROVAL_TIME.total_seconds()),
        key=_key(round_, approval),
    )
    raise AssertionError("a run that has just asked cannot have its answer")


def _answer_to(round_: Round, asked: Approval) -> PromotionDecision | None:
    found = read_flow_run_input(keyset_from_base_key(f"suspended-{_key(round_, asked)}")["response"])
    return None if found is None else PromotionDecision.model_validate(found)


def _key(round_: Round, asked: Approval) -> str:
    """Name the question: Prefect suspends a run under a key only once, also if it was killed."""
    return f"approve-round-{round_.number}-{asked.asked}"
