"""Severities in Great Expectations' terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuneloop.recipes import Checks
from tuneloop.severities import DEFAULTS, Severity

GREAT_EXPECTATIONS: Mapping[Severity, str] = {"block": "critical", "quarantine": "warning", "warn": "info"}
OURS: Mapping[str, Severity] = {theirs: ours for ours, theirs in GREAT_EXPECTATIONS.items()}


def severities(checks: Checks) -> dict[str, Severity]:
    """Reason -> severity, the recipe's own choices included."""
    return {**DEFAULTS, **checks.severity}


def expect(kind: Any, column: str, reason: str, severity: Severity, **settings: Any) -> Any:
    """An expectation of class `kind` about a column, with its reason and its severity in Great Expectations' terms."""
    return kind(column=column, severity=GREAT_EXPECTATIONS[severity], meta={"reason": reason}, **settings)
