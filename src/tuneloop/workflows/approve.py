"""Ask a person before a promotion, and keep the answer with the round."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from tuneloop.registry.rounds import load_rounds, save_round
from tuneloop.reports.approval_text import question_about
from tuneloop.reports.evaluation.page import page_file
from tuneloop.results import Approval, Round

APPROVAL_TIME = timedelta(days=14)
_log = logging.getLogger(__name__)


def asked_rounds(workspace: Path, recipe: str) -> list[Round]:
    """List the rounds that a person was asked about and that are not finished, oldest first."""
    return [r for r in load_rounds(workspace, recipe) if r.approval is not None and not r.complete]


def is_lapsed(approval: Approval) -> bool:
    """Whether the time for an answer is over."""
    return datetime.now(UTC) - datetime.fromisoformat(approval.asked_at) > APPROVAL_TIME


def ask(workspace: Path, round_: Round, *, version: str, flow_run_id: str) -> tuple[Approval, str]:
    """Note in the round that `flow_run_id` asks; returns that note and the question as Markdown.

    It is saved before the run is suspended: later runs must know that a person was asked, and by which run.
    """
    now = datetime.now(UTC)
    asked = round_.approval.asked + 1 if round_.approval else 1
    approval = Approval(flow_run_id=flow_run_id, asked_at=now.isoformat(timespec="seconds"), asked=asked)
    round_ = round_.model_copy(update={"approval": approval})
    save_round(workspace, round_)
    page = page_file(workspace, round_.recipe, round_.number)
    return approval, question_about(round_, version=version, page=page, until=now + APPROVAL_TIME)


def save_decision(
    workspace: Path,
    round_: Round,
    decision: Literal["approve", "decline", "unanswered"],
    *,
    by: str = "",
    because: str,
) -> Round:
    """Return the round with the decision in it, saved."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    answer = {"decision": decision, "by": by, "because": because, "decided_at": now}
    assert round_.approval is not None
    round_ = round_.model_copy(update={"approval": round_.approval.model_copy(update=answer)})
    save_round(workspace, round_)
    _log.info("round %s: %s", round_.number, decision)
    return round_
