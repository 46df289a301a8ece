"""What is decided by: ratings and comparisons for the gate and the judge, verdicts on training rows, triage of the red
team, and where people disagree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from tuneloop.ports import ReviewAnswer
from tuneloop.review.judging import NEUTRAL, Judgement
from tuneloop.review.ledger import is_flagged
from tuneloop.review.provenance import Row, facts_of, speaker_of, spoken_by
from tuneloop.review.reviewed import JUDGED


def ratings_of(judgement: Judgement, weights: Mapping[str, float]) -> Iterator[Row]:
    """What the answers of models are worth to people. Disputed ones as well: they are not learned from, but leaving
    them out would make the mean that of the easy records."""
    if judgement.record.kind in JUDGED:
        decided = judgement.decision is not None and judgement.decision.rating is not None
        for by in spoken_by(judgement, decided=decided):
            if by.rating is not None:
                yield _evidence(judgement, by, weights) | {
                    "answer": judgement.record.shown.answer,
                    "rating": by.rating,
                    "dimensions": dict(by.dimensions),
                    "issues": list(by.issues),
                    "chosen_by": judgement.record.shown.labels.get("chosen_by", ""),
                }


def comparisons_of(judgement: Judgement, weights: Mapping[str, float]) -> Iterator[Row]:
    """Which of two models' answers people prefer, without knowing the models; ties too."""
    if judgement.record.kind == "preference":
        decided = judgement.decision is not None and judgement.decision.preferred is not None
        for by in spoken_by(judgement, decided=decided):
            if by.preferred is not None:
                yield _evidence(judgement, by, weights) | {
                    "answer": judgement.record.shown.answer,
                    "alternative": judgement.record.shown.alternative or "",
                    "alternative_model": judgement.record.shown.alternative_model,
                    "preferred": by.preferred,
                }


def row_verdicts_of(judgement: Judgement) -> Iterator[Row]:
    """What becomes of training rows that people have seen. One that they disagree on stays out until that is decided;
    one that nobody could judge stays in."""
    shown, correction = judgement.record.shown, judgement.correction
    if judgement.record.kind != "data_sample" or judgement.unusable in {"discarded", "unreliable_reviewer"}:
        return
    verdict = {"row": shown.labels.get("row_id") or shown.item_id, "answer": shown.answer}
    if judgement.unusable or judgement.is_left_out:
        facts = facts_of(judgement, speaker_of(judgement)) | {"because": judgement.unusable or "left_out"}
        yield verdict | {"completion": None, "extra": facts}
    elif correction is not None:
        facts = facts_of(judgement, correction.by) | {"mended": True}
        yield verdict | {"completion": correction.text, "extra": facts}


def triage_of(judgement: Judgement) -> Iterator[Row]:
    """What people say of the red-team suite's findings: evidence by the suite's own item ids, and never a row."""
    if judgement.record.kind != "red_team":
        return
    for answer in (*judgement.record.answers, *judgement.record.discarded):
        yield {
            "suite_item": answer.labels.get("suite_item") or answer.item_id,
            "status": answer.status,
            "failure": answer.labels.get("failure", ""),
            "severity": answer.labels.get("severity", ""),
            "category": answer.labels.get("category", ""),
            "issues": list(answer.issues),
            "correction": answer.correction,
            "model": answer.model,
            "review_set": answer.review_set,
            "item_id": answer.item_id,
            "response_id": answer.response_id,
            "reviewer": answer.reviewer,
            "submitted_at": answer.submitted_at,
        }


def conflicts_of(judgement: Judgement) -> Iterator[Row]:
    """Where people disagree and nobody has decided; ids alone."""
    if judgement.conflicts:
        yield {
            "review_set": judgement.record.review_set,
            "item_id": judgement.record.item_id,
            "kind": judgement.record.kind,
            "conflicts": list(judgement.conflicts),
            "response_ids": [answer.response_id for answer in judgement.record.answers],
        }


def _evidence(judgement: Judgement, by: ReviewAnswer, weights: Mapping[str, float]) -> Row:
    record, shown = judgement.record, judgement.record.shown
    said = (*record.answers, *([judgement.decision] if judgement.decision else []))
    return {
        "response_id": by.response_id,
        "item_id": record.item_id,
        "review_set": record.review_set,
        "kind": record.kind,
        "reviewer": by.reviewer,
        "submitted_at": by.submitted_at,
        "prompt": shown.prompt,
        "model": shown.model,
        "weight": NEUTRAL if by is judgement.decision else round(weights.get(by.reviewer, NEUTRAL), 6),
        # Whatever anybody has flagged is shown to no judge: that may be far away.
        "flagged": any(map(is_flagged, said)),
    }
