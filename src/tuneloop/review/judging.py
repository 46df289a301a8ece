"""Make one judgment of all responses to a record: a rating, a preference, a correction, or why nothing is learned.

Where reviewers disagree too much it is a conflict, and nothing is learned from the record until it is adjudicated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any, Literal

from tuneloop.ports import ReviewAnswer
from tuneloop.recipes import Adjudication
from tuneloop.review.ledger import Reviewed, is_flagged, is_left_out

Preferred = Literal["answer", "alternative", "tie"]
Unusable = Literal["conflict", "flagged", "discarded", "unreliable_reviewer", "test_prompt"]

VERDICT, NEITHER = "verdict", "neither"
"""What an adjudicator says of two versions that are both wrong, among an answer's labels."""

RATING_DIGITS = 6
"""The mean of 4 and 4 is 4, whatever their weights."""

NEUTRAL = 1.0
"""What the word of somebody weighs of whom nothing is known."""


@dataclass(frozen=True, slots=True)
class Correction:
    """The text that should have been there, who wrote it, and who chose it where several did."""

    text: str
    by: ReviewAnswer
    adjudicator: ReviewAnswer | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """`unusable` says why nothing is learned from the record, None where it may be. `conflicts` are those that still
    wait for `decision`, the adjudicator's answer. `rating` is a weighted mean, 1 to 5; `is_left_out` is of a training
    row that is to go."""

    record: Reviewed
    counted: tuple[ReviewAnswer, ...] = ()
    unusable: Unusable | None = None
    conflicts: tuple[Conflict, ...] = ()
    decision: ReviewAnswer | None = None
    rating: float | None = None
    preferred: Preferred | None = None
    correction: Correction | None = None
    is_left_out: bool = False


def judged(
    record: Reviewed, *, weights: Mapping[str, float], decision: ReviewAnswer | None, limits: Adjudication
) -> Judgement:
    """What the record comes to.

    The word of a reviewer whose weight is 0 does not count, but for flags: what may hurt somebody is never learned on
    the strength of a doubt. An adjudicator's decision takes the place of what reviewers said wherever it says
    something itself.
    """
    trusted = tuple(a for a in record.answers if weights.get(a.reviewer, NEUTRAL) > 0)
    found = Judgement(record, trusted, decision=decision)
    if record.kind == "red_team":
        return _aggregated(found, weights)  # all opinions of a test are kept, so there is nothing to decide
    if decision is not None:
        return _decided(found, decision, weights)
    flagged = [answer for answer in record.answers if is_flagged(answer) and answer not in trusted]
    disputed = conflicts_among((*trusted, *flagged), limits)
    if disputed:
        return replace(_aggregated(found, weights), unusable="conflict", conflicts=disputed)
    return replace(_aggregated(found, weights), unusable=_why_unusable(found))


def _why_unusable(found: Judgement) -> Unusable | None:
    """Of a record on which nobody disagrees."""
    if not found.record.answers:
        return "discarded"
    if any(map(is_flagged, found.record.answers)):
        return "flagged"
    return None if found.counted else "unreliable_reviewer"


def weighted_rating(answers: Sequence[ReviewAnswer], weights: Mapping[str, float]) -> float | None:
    """The mean rating, each person's by their weight."""
    rated = [(answer.rating, weights.get(answer.reviewer, NEUTRAL)) for answer in answers if answer.rating is not None]
    total = sum(weight for _, weight in rated)
    return round(sum(rating * weight for rating, weight in rated) / total, RATING_DIGITS) if total else None


def weighted_vote(answers: Sequence[ReviewAnswer], weights: Mapping[str, float]) -> Preferred | None:
    """The answer that more weight is behind; a tie where both have as much."""
    votes = [a for a in answers if a.preferred is not None]
    if not votes:
        return None
    sides = {"answer": 1, "alternative": -1, "tie": 0}
    balance = sum(sides[str(a.preferred)] * weights.get(a.reviewer, NEUTRAL) for a in votes)
    return "tie" if abs(balance) < 1e-9 else "answer" if balance > 0 else "alternative"  # noqa: PLR2004


def _aggregated(found: Judgement, weights: Mapping[str, float]) -> Judgement:
    corrected = [answer for answer in found.counted if answer.correction]
    last = corrected[-1] if corrected else None
    return replace(
        found,
        rating=weighted_rating(found.counted, weights),
        preferred=weighted_vote(found.counted, weights),
        correction=Correction(str(last.correction), last) if last else None,
        is_left_out=any(map(is_left_out, found.counted)),
    )


def _decided(found: Judgement, decision: ReviewAnswer, weights: Mapping[str, float]) -> Judgement:
    said = _aggregated(found, weights)
    if is_flagged(decision):
        return replace(said, unusable="flagged")
    if decision.status == "discarded":
        return replace(said, unusable="discarded")
    rated = replace(said, rating=said.rating if decision.rating is None else float(decision.rating))
    if not _names_a_version(decision):
        return rated
    text = _chosen_text(decision)
    return replace(
        rated,
        preferred=_chosen_side(decision) if found.record.kind == "preference" else None,
        correction=_chosen_correction(found.record, decision, text),
        is_left_out=text is None,
    )


def _names_a_version(decision: ReviewAnswer) -> bool:
    return bool(decision.correction or decision.preferred or decision.labels.get(VERDICT) == NEITHER)


def _chosen_text(decision: ReviewAnswer) -> str | None:
    """The text that the adjudicator holds to be right; None: no version of it."""
    if decision.correction:
        return decision.correction
    versions = {"answer": decision.answer, "alternative": decision.alternative, "tie": decision.answer}
    return versions.get(decision.preferred or "")


def _chosen_side(decision: ReviewAnswer) -> Preferred:
    """Which of the two answers of a comparison the decision is for; the versions are the answers, in their order."""
    return decision.preferred or "tie"


def _chosen_correction(record: Reviewed, decision: ReviewAnswer, text: str | None) -> Correction | None:
    answers = {record.shown.answer.strip(), (record.shown.alternative or "").strip()}
    if text is None or text.strip() in answers:
        return None
    authors = [answer for answer in record.answers if answer.correction == text.strip()]
    return Correction(text.strip(), authors[-1] if authors else decision, decision)


CHARACTERS = 1000
"""Longer texts are compared by words."""

Conflict = Literal["rating_gap", "opposite_preference", "flagged_by_some", "left_out_by_some", "different_corrections"]


def conflicts_among(answers: Sequence[ReviewAnswer], limits: Adjudication) -> tuple[Conflict, ...]:
    """How these people's answers to one record disagree; () where they agree well enough, or only one has answered."""
    ratings = [answer.rating for answer in answers if answer.rating is not None]
    found: dict[Conflict, bool] = {
        "rating_gap": bool(ratings) and max(ratings) - min(ratings) >= limits.rating_gap,
        "opposite_preference": {"answer", "alternative"} <= {answer.preferred for answer in answers},
        "flagged_by_some": len({is_flagged(answer) for answer in answers}) > 1,
        "left_out_by_some": len({is_left_out(answer) for answer in answers}) > 1,
        "different_corrections": _are_unlike(answers, limits.correction_similarity),
    }
    return tuple(kind for kind, there in found.items() if there)


def similarity(one: str, other: str) -> float:
    """How alike two texts are, 0 to 1: the share of their characters that match, in order; in long texts, of words."""
    return _matcher(one, other).ratio()


def is_alike(one: str, other: str, limit: float) -> bool:
    """Whether the similarity is at least the limit; cheap upper bounds spare most of the work."""
    matcher = _matcher(one, other)
    return matcher.real_quick_ratio() >= limit and matcher.quick_ratio() >= limit and matcher.ratio() >= limit


def _matcher(one: str, other: str) -> SequenceMatcher[Any]:
    """The work grows with the product of the lengths: seconds for two pages, by characters."""
    if max(len(one), len(other)) <= CHARACTERS:
        return SequenceMatcher(None, one, other, autojunk=False)
    return SequenceMatcher(None, one.split(), other.split(), autojunk=False)


def _are_unlike(answers: Sequence[ReviewAnswer], limit: float) -> bool:
    texts = sorted({answer.correction for answer in answers if answer.correction})
    return any(not is_alike(one, other, limit) for one, other in combinations(texts, 2))
