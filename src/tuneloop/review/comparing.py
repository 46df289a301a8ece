"""Two answers to one prompt: how far they lie apart, and which of them people see first."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

from tuneloop.records import content_hash


def differences(ours: Sequence[str], theirs: Sequence[str]) -> list[float]:
    """For each pair of answers 1 minus the share of their characters that match, in order: 0 same, 1 nothing alike."""
    return [_difference(a, b) for a, b in zip(ours, theirs, strict=True)]


def stands_second(review_set: str, item: str) -> bool:
    """Whether our answer stands behind the other one. Decided by a hash, so for half of the items, and blindly: nobody
    who sees the set can tell which model is which from the order."""
    return int(content_hash([review_set, item]), 16) % 2 == 1


def _difference(a: str, b: str) -> float:
    if a == b:
        return 0.0
    return 1.0 - SequenceMatcher(None, a, b, autojunk=False).ratio()
