"""Who answers for what a record became, and what a row remembers of where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneloop.ports import ReviewAnswer
from tuneloop.review.judging import Judgement
from tuneloop.review.ledger import is_flagged
from tuneloop.review.reviewed import is_left_out

Row = dict[str, Any]


def speaker_of(judgement: Judgement) -> ReviewAnswer:
    """Who answers for a row: who wrote it, decided it, or was the first to say so. Not the last: a row must not
    become another one, and the model be trained again, because one more person agrees."""
    if judgement.correction is not None:
        return judgement.correction.by
    if judgement.decision is not None:
        return judgement.decision
    answers = judgement.counted or judgement.record.answers or judgement.record.discarded
    return next((answer for answer in answers if _agrees(answer, judgement)), answers[0])


def spoken_by(judgement: Judgement, *, decided: bool) -> Sequence[ReviewAnswer]:
    """The adjudicator alone where they decided this, else all whose word counts."""
    return [judgement.decision] if decided and judgement.decision is not None else judgement.counted


def facts_of(judgement: Judgement, by: ReviewAnswer) -> Row:
    """What a row remembers of where it comes from. Under `extra` it stays with the row into every data version."""
    shown, decision = judgement.record.shown, judgement.decision
    facts = {
        "review_set": shown.review_set,
        "item_id": shown.item_id,
        "response_id": by.response_id,
        "reviewer": by.reviewer,
        "reviewed_at": by.submitted_at,
        "model": shown.model,
        "rating": by.rating,
        "adjudicator": decision.reviewer if decision is not None else None,
    }
    return {name: value for name, value in facts.items() if value is not None}


def _agrees(answer: ReviewAnswer, judgement: Judgement) -> bool:
    if judgement.record.kind == "preference":
        return answer.preferred == judgement.preferred
    if judgement.record.kind == "data_sample":
        return is_left_out(answer) or is_flagged(answer)
    return answer.rating is not None
