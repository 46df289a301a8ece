"""What a check does to the rows it finds, unless a recipe says otherwise; the one place where that is decided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneloop.errors import RecipeError
from tuneloop.recipes import Checks, Severity

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
    "low_quality": "quarantine",
    "language": "quarantine",
    "too_long": "quarantine",
    "outdated": "quarantine",
    "bad_date": "warn",
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
GREAT_EXPECTATIONS: Mapping[Severity, str] = {"block": "critical", "quarantine": "warning", "warn": "info"}
OURS: Mapping[str, Severity] = {theirs: ours for ours, theirs in GREAT_EXPECTATIONS.items()}


def severities(checks: Checks) -> dict[str, Severity]:
    """Reason -> severity, the recipe's own choices included.

    Raises:
        RecipeError: the recipe names a reason that does not exist, or weakens one that a fair test depends on.
    """
    unknown = sorted(checks.severity.keys() - DEFAULTS.keys())
    if unknown:
        raise RecipeError(f"data.checks.severity: there is no reason {unknown[0]}; known are {', '.join(DEFAULTS)}")
    for reason, wanted in checks.severity.items():
        weakest = WEAKEST.get(reason, "warn")
        if RANK.index(wanted) < RANK.index(weakest):
            raise RecipeError(f"data.checks.severity: {reason} may not be weaker than {weakest}: test rows would leak")
    return {**DEFAULTS, **checks.severity}


def expect(kind: Any, column: str, reason: str, severity: Severity, **settings: Any) -> Any:
    """An expectation of class `kind` about a column, with its reason and its severity in Great Expectations' terms."""
    return kind(column=column, severity=GREAT_EXPECTATIONS[severity], meta={"reason": reason}, **settings)
