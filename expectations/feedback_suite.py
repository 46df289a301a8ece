"""The expectations of reviewers' answers, before they become training rows.

`quarantine` is for what would spoil training or give a person away; what can be lived with is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.no_personal_data import ExpectNoPersonalData
from expectations.plain_text import ExpectPlainText
from expectations.row_findings import ExpectNoProblem
from expectations.severities import expect
from tuneloop.recipes import Checks
from tuneloop.severities import Severity
from tuneloop.workflows.event_columns import NO_RATING, RATINGS

SEVERITIES: Mapping[str, Severity] = {
    "response_not_unique": "block",
    "named_reviewer": "block",
    "bad_rating": "quarantine",
    "bad_date": "quarantine",
    "never_asked": "quarantine",
    "personal_data": "quarantine",
    "special_tokens": "quarantine",
    "prompt_injection": "quarantine",
    "nothing_corrected": "warn",
    "unknown_issue": "warn",
}


def feedback_suite(checks: Checks) -> gx.ExpectationSuite:
    """What is expected of each answer; over the columns of `tuneloop.workflows.event_columns.feedback_columns`."""

    def because(reason: str, kind: Any, column: str, **settings: Any) -> Any:
        return expect(kind, column, reason, SEVERITIES[reason], **settings)

    return gx.ExpectationSuite(
        name="feedback",
        expectations=[
            because("response_not_unique", gxe.ExpectColumnValuesToBeUnique, "id"),
            because("named_reviewer", ExpectNoProblem, "reviewer_problem"),
            because("bad_rating", gxe.ExpectColumnValuesToBeInSet, "rating", value_set=[NO_RATING, *RATINGS]),
            because("bad_date", ExpectPlainText, "bad_date"),
            because("never_asked", ExpectPlainText, "never_asked"),
            because("personal_data", ExpectNoPersonalData, "pii_kinds", allowed=checks.pii_allowed),
            because("special_tokens", ExpectPlainText, "special_tokens"),
            because("prompt_injection", ExpectPlainText, "injections"),
            because("nothing_corrected", ExpectNoProblem, "correction_problem"),
            because("unknown_issue", ExpectPlainText, "unknown_issues"),
        ],
    )
