"""The expectations of production traffic, before its prompts are compared with the training data.

What people write cannot be refused: most findings are reported only. Set aside is what cannot be counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.fresh import ExpectFresh
from expectations.no_personal_data import ExpectNoPersonalData
from expectations.plain_text import ExpectPlainText
from expectations.severities import expect
from tuneloop.data.text_marks import UNKNOWN_LANGUAGE
from tuneloop.recipes import Checks
from tuneloop.severities import Severity

MAX_PROMPT_CHARACTERS = 20_000

SEVERITIES: Mapping[str, Severity] = {
    "id_not_unique": "quarantine",
    "empty_prompt": "quarantine",
    "bad_date": "quarantine",
    "outdated": "warn",
    "special_tokens": "quarantine",
    "prompt_injection": "warn",
    "personal_data": "warn",
    "language": "warn",
    "long_prompt": "warn",
    "empty_answer": "warn",
}


def traffic_suite(checks: Checks, *, max_prompt_characters: int = MAX_PROMPT_CHARACTERS) -> gx.ExpectationSuite:
    """What is expected of each request; over the columns of `tuneloop.workflows.event_columns.traffic_columns`."""

    def because(reason: str, kind: Any, column: str, **settings: Any) -> Any:
        return expect(kind, column, reason, SEVERITIES[reason], **settings)

    age, between, among = checks.max_age_days, gxe.ExpectColumnValuesToBeBetween, gxe.ExpectColumnValuesToBeInSet
    known = [*checks.languages, UNKNOWN_LANGUAGE]
    return gx.ExpectationSuite(
        name="traffic",
        expectations=[
            because("id_not_unique", gxe.ExpectColumnValuesToBeUnique, "id"),
            because("empty_prompt", ExpectPlainText, "empty_prompt"),
            because("bad_date", ExpectPlainText, "bad_date"),
            *([because("outdated", ExpectFresh, "age_days", max_days=age)] if age is not None else []),
            because("special_tokens", ExpectPlainText, "special_tokens"),
            because("prompt_injection", ExpectPlainText, "injections"),
            because("personal_data", ExpectNoPersonalData, "pii_kinds", allowed=checks.pii_allowed),
            *([because("language", among, "language", value_set=known)] if checks.languages else []),
            because("long_prompt", between, "prompt_characters", max_value=max_prompt_characters),
            because("empty_answer", ExpectPlainText, "empty_answer"),
        ],
    )
