"""Where the reviewers of one record disagree so much that nothing is learned from it until somebody decides."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations
from typing import Any, Literal

from tuneloop.ports import ReviewAnswer
from tuneloop.recipes import Adjudication
from tuneloop.review.ledger import is_flagged
from tuneloop.review.reviewed import is_left_out

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
