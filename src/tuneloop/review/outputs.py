"""Turn judgments into files: training rows, pairs, thumbs and evidence for the gate, each with its provenance.

| kind | corrections | preferences | thumbs | ratings | comparisons | row verdicts | triage |
|---|---|---|---|---|---|---|---|
| answers, drifted_slice | yes | yes | yes | yes | | | |
| preference | yes | yes | | | yes | | |
| data_sample | | | | | | yes | |
| red_team | | | | | | | yes |
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from tuneloop.ports import ReviewAnswer
from tuneloop.review.judging import NEUTRAL, Judgement
from tuneloop.review.ledger import JUDGED, is_flagged, is_left_out

CORRECTIONS = "corrections.jsonl"
PREFERENCES = "preferences.jsonl"
THUMBS = "thumbs.jsonl"
RATINGS = "ratings.jsonl"
COMPARISONS = "comparisons.jsonl"
ROW_VERDICTS = "row_verdicts.jsonl"
TRIAGE = "triage.jsonl"
CONFLICTS = "conflicts.jsonl"

DERIVED = (CORRECTIONS, PREFERENCES, THUMBS, RATINGS, COMPARISONS, ROW_VERDICTS, TRIAGE)
LEARNED = (CORRECTIONS, PREFERENCES, THUMBS)
"""What models are trained on."""


def derive(judgements: Sequence[Judgement], weights: Mapping[str, float]) -> dict[str, list[Row]]:
    """File name -> rows. The same judgements always give the same files."""
    makers: dict[str, Callable[[Judgement], Iterator[Row]]] = {
        CORRECTIONS: corrections_of,
        PREFERENCES: preferences_of,
        THUMBS: thumbs_of,
        RATINGS: lambda judgement: ratings_of(judgement, weights),
        COMPARISONS: lambda judgement: comparisons_of(judgement, weights),
        ROW_VERDICTS: row_verdicts_of,
        TRIAGE: triage_of,
        CONFLICTS: conflicts_of,
    }
    return {name: [row for judgement in judgements for row in make(judgement)] for name, make in makers.items()}


THUMB_UP, THUMB_DOWN, MIDDLE = 4, 2, 3
"""Ratings from which on an answer is a good one, and up to which it is a bad one; a corrected one up to the middle."""


def corrections_of(judgement: Judgement) -> Iterator[Row]:
    correction = judgement.correction
    if _is_learned(judgement) and correction is not None:
        yield _row(judgement, "", correction.by, completion=correction.text)


def preferences_of(judgement: Judgement) -> Iterator[Row]:
    """Every pair of texts of which one is better: a correction than all else, then the preferred answer."""
    if not _is_learned(judgement):
        return
    ranked = [(text, rank) for text, rank in _ranked(judgement) if text.strip()]
    pairs = [(a[0], b[0]) for a, b in combinations(ranked, 2) if a[1] < b[1] and a[0].strip() != b[0].strip()]
    for number, (chosen, rejected) in enumerate(pairs, 1):
        yield _row(
            judgement, f"/{number}" if number > 1 else "", speaker_of(judgement), chosen=chosen, rejected=rejected
        )


def thumbs_of(judgement: Judgement) -> Iterator[Row]:
    """Single answers that are good or bad, as KTO learns from them: the data reader keeps `extra.label`."""
    if not _is_learned(judgement) or judgement.record.kind not in JUDGED:
        return
    correction, shown = judgement.correction, judgement.record.shown
    if correction is not None:
        yield _row(judgement, "", correction.by, label=True, completion=correction.text)
    label = _thumb(judgement)
    if label is not None and shown.answer.strip():
        yield _row(judgement, "/answer", speaker_of(judgement), label=label, completion=shown.answer)


def _ranked(judgement: Judgement) -> list[tuple[str, int]]:
    """Texts with their ranks, the best first; what is equally good has one rank."""
    shown = judgement.record.shown
    best = [(judgement.correction.text, 0)] if judgement.correction else []
    if judgement.record.kind != "preference":
        return [*best, (shown.answer, 1)]
    sides = [(shown.answer, 1), (shown.alternative or "", 1)]
    if judgement.preferred in {"answer", "alternative"}:
        sides = sides if judgement.preferred == "answer" else sides[::-1]
        sides[1] = (sides[1][0], 2)
    return [*best, *sides]


def _thumb(judgement: Judgement) -> bool | None:
    """Of the model's own answer, where all who count are on one side. Weights have no say: they move with every gold
    item, and a thumb that turns with them would have the model trained again."""
    decided = judgement.decision is not None and judgement.decision.rating is not None
    ratings = [by.rating for by in spoken_by(judgement, decided=decided) if by.rating is not None]
    if judgement.correction is not None:
        return False if all(rating <= MIDDLE for rating in ratings) else None
    if not ratings or not (min(ratings) >= THUMB_UP or max(ratings) <= THUMB_DOWN):
        return None
    return min(ratings) >= THUMB_UP


def _is_learned(judgement: Judgement) -> bool:
    return judgement.unusable is None and judgement.record.kind in JUDGED | {"preference"}


def _row(judgement: Judgement, suffix: str, by: ReviewAnswer, *, label: bool | None = None, **texts: str) -> Row:
    shown = judgement.record.shown
    facts = facts_of(judgement, by) | ({} if label is None else {"label": label})
    return {
        "id": f"review/{shown.review_set}/{shown.item_id}{suffix}",
        "prompt": shown.prompt,
        **texts,
        "created_at": by.submitted_at,
        "group": shown.item_id,
        "extra": facts,
    }


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
