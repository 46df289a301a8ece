"""What a check does to the rows it finds, unless a recipe says otherwise; the one place where that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Severity = Literal["block", "quarantine", "warn"]

DEFAULTS: Mapping[str, Severity] = {
    "id_not_unique": "block",
    "personal_data": "quarantine",
    "special_tokens": "quarantine",
    "prompt_injection": "quarantine",
    "no_preference": "quarantine",
    "bad_answer": "quarantine",
    "html": "quarantine",
    "html_trace": "warn",
    "quoted_mail": "quarantine",
    "broken_characters": "quarantine",
    "hidden_characters": "warn",
    "low_quality": "quarantine",
    "language": "quarantine",
    "too_long": "quarantine",
    "outdated": "quarantine",
    "bad_date": "warn",
    "withdrawn_by_reviewer": "quarantine",
    "contradiction": "quarantine",
    "leakage": "quarantine",
    "same_meaning": "quarantine",
    "superseded": "quarantine",
    "exact_copy": "quarantine",
    "near_copy": "quarantine",
    "cluster_in_two_splits": "block",
}
"""Reason -> severity, for all reasons that a recipe's `data.checks.severity` may name."""

WEAKEST: Mapping[str, Severity] = {
    "id_not_unique": "block",
    "cluster_in_two_splits": "block",
    "leakage": "quarantine",
    "same_meaning": "quarantine",
}
"""Without these a test score means nothing, so no recipe may weaken them further."""

RANK: tuple[Severity, ...] = ("warn", "quarantine", "block")


def problem_with(chosen: Mapping[str, Severity]) -> str | None:
    """Why a recipe may not choose these severities; None: it may."""
    unknown = sorted(chosen.keys() - DEFAULTS.keys())
    if unknown:
        return f"there is no reason {unknown[0]}; known are {', '.join(DEFAULTS)}"
    for reason, wanted in chosen.items():
        weakest = WEAKEST.get(reason, "warn")
        if RANK.index(wanted) < RANK.index(weakest):
            return f"{reason} may not be weaker than {weakest}: test rows would leak"
    return None
