"""What models learn from: corrections, pairs of a better and a worse text, and single answers that are good or bad."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from tuneloop.ports import ReviewAnswer
from tuneloop.review.judging import Judgement
from tuneloop.review.provenance import Row, facts_of, speaker_of, spoken_by
from tuneloop.review.reviewed import JUDGED

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
