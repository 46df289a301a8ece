"""The expectations of preference data: those of instruction data, and a pair of answers of which one is better."""

from __future__ import annotations

import great_expectations as gx

from expectations.row_findings import ExpectClearPreference
from expectations.severities import expect, severities
from expectations.sft_suite import row_expectations
from tuneloop.recipes import Checks


def preference_suite(checks: Checks, *, max_tokens: int | None) -> gx.ExpectationSuite:
    """What is expected of each pair by itself; over the columns of `tuneloop.data.columns.row_columns`."""
    reason = "no_preference"
    pair = expect(ExpectClearPreference, "preference_problem", reason, severities(checks)[reason])
    return gx.ExpectationSuite(name="pairs", expectations=[pair, *row_expectations(checks, max_tokens)])
