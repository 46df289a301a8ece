"""The expectations of instruction data, built from a recipe.

Severity decides what a finding does: critical blocks the run, warning sets the row aside, info is only reported. Rows
are looked at by themselves first and against each other afterwards, so that a sound row never leaves in favour of a
flawed copy. The order of the expectations is the order of reasons: a row with several findings is counted under the
first.
"""

from __future__ import annotations

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.answer_as_agreed import ExpectAnswerAsAgreed
from expectations.no_personal_data import ExpectNoPersonalData
from expectations.no_twin import ExpectNoTwin
from expectations.one_split_per_cluster import ExpectOneSplitPerCluster
from expectations.plain_text import ExpectPlainText
from tuneloop.data.columns import RELATION_COLUMNS
from tuneloop.data.text_marks import UNKNOWN_LANGUAGE
from tuneloop.recipes import Data


def row_suite(data: Data, *, max_tokens: int) -> gx.ExpectationSuite:
    """What is expected of each row by itself; over the columns of `tuneloop.data.columns.row_columns`."""
    return gx.ExpectationSuite(
        name="rows",
        expectations=[
            gxe.ExpectColumnValuesToBeUnique(column="id", severity="critical", meta={"reason": "id_not_unique"}),
            ExpectNoPersonalData(
                column="pii_kinds",
                allowed=data.checks.pii_allowed,
                severity="warning",
                meta={"reason": "personal_data"},
            ),
            ExpectPlainText(column="special_tokens", severity="warning", meta={"reason": "special_tokens"}),
            ExpectPlainText(column="injections", severity="warning", meta={"reason": "prompt_injection"}),
            ExpectAnswerAsAgreed(column="answer_problem", severity="warning", meta={"reason": "bad_answer"}),
            # One "&amp;" or one "<b>" is no mail template.
            ExpectPlainText(column="html_marks", most=1, severity="warning", meta={"reason": "html"}),
            ExpectPlainText(column="html_marks", severity="info", meta={"reason": "html_trace"}),
            ExpectPlainText(column="mail_marks", severity="warning", meta={"reason": "quoted_mail"}),
            ExpectPlainText(column="broken_characters", severity="warning", meta={"reason": "broken_characters"}),
            *_language_expectations(data),
            gxe.ExpectColumnValuesToBeBetween(
                column="total_tokens",
                min_value=1,
                max_value=max_tokens,
                severity="warning",
                meta={"reason": "too_long"},
            ),
        ],
    )


def relation_suite() -> gx.ExpectationSuite:
    """What is expected of rows against each other; over the columns of `tuneloop.data.columns.relation_columns`."""
    twins = [
        ExpectNoTwin(column=column, severity="warning", meta={"reason": kind})
        for kind, column in RELATION_COLUMNS.items()
    ]
    leak = ExpectOneSplitPerCluster(
        column="splits_in_cluster", severity="critical", meta={"reason": "cluster_in_two_splits"}
    )
    return gx.ExpectationSuite(name="relations", expectations=[*twins, leak])


def _language_expectations(data: Data) -> list[gxe.ExpectColumnValuesToBeInSet]:
    if not data.checks.languages:
        return []
    allowed = [*data.checks.languages, UNKNOWN_LANGUAGE]
    return [
        gxe.ExpectColumnValuesToBeInSet(column=c, value_set=allowed, severity="warning", meta={"reason": "language"})
        for c in ("language", "answer_language")
    ]
