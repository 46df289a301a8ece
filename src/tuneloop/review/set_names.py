"""What review sets are called: the recipe, what the set is about, and which round, data version or window it is of."""

from __future__ import annotations

import re

from tuneloop.ports import ReviewKind

DIGITS = 8
"""Of a data version's or a window's hash."""

_OF_ROUNDS: dict[ReviewKind, str] = {"answers": "round", "preference": "preference", "red_team": "red-team"}
_SUFFIX = re.compile(r"-(?:(?:round|preference|red-team|adjudication)-\d+|(?:data|drift)-[0-9a-f]{8})")


def round_set(recipe: str, kind: ReviewKind, number: int) -> str:
    """`desk-round-3`, `desk-preference-3` or `desk-red-team-3`."""
    return f"{recipe}-{_OF_ROUNDS[kind]}-{number}"


def data_set(recipe: str, version: str) -> str:
    """`desk-data-3f9a2c41`: rows of a data version."""
    return f"{recipe}-data-{version[:DIGITS]}"


def drift_set(recipe: str, window_id: str) -> str:
    """`desk-drift-3f9a2c41`: the window of traffic that drifted."""
    return f"{recipe}-drift-{window_id[:DIGITS]}"


def is_set_of(recipe: str, name: str) -> bool:
    """Whether the set was published for this recipe; `desk-eu-round-1` is none of `desk`."""
    return name.startswith(recipe) and _SUFFIX.fullmatch(name[len(recipe) :]) is not None
