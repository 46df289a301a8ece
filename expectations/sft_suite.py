"""The expectations of instruction data, built from a recipe.

Severity decides what a finding does: `block` stops the run, `quarantine` sets the row aside, `warn` is only reported.
Rows are looked at by themselves first and against each other afterwards, so that a sound row never leaves in favour of
a flawed copy. The order of the expectations is the order of reasons: a row with several findings is counted under the
first.
"""

from __future__ import annotations

from typing import Any

import great_expectations as gx
import great_expectations.expectations as gxe

from expectations.fresh import ExpectFresh
from expectations.no_personal_data import ExpectNoPersonalData
from expectations.one_split_per_cluster import ExpectOneSplitPerCluster
from expectations.plain_text import ExpectPlainText
from expectations.row_findings import ExpectAnswerAsAgreed, ExpectNoDuplicate, ExpectNoProblem, ExpectWorthLearning
from expectations.severities import expect, severities
from tuneloop.data.relations import RELATION_COLUMNS
from tuneloop.data.text_marks import UNKNOWN_LANGUAGE
from tuneloop.recipes import Checks

HTML_TRACES = 1
"""One "&amp;" or one "<b>" is not yet a mail template."""


def row_suite(checks: Checks, *, max_tokens: int | None) -> gx.ExpectationSuite:
    """What is expected of each row by itself; over the columns of `tuneloop.data.columns.row_columns`.

    `max_tokens` None: lengths are not looked at, for want of a tokenizer.
    """
    return gx.ExpectationSuite(name="rows", expectations=row_expectations(checks, max_tokens))


def row_expectations(checks: Checks, max_tokens: int | None) -> list[Any]:
    own = severities(checks)

    def because(reason: str, kind: Any, column: str, **settings: Any) -> Any:
        return expect(kind, column, reason, own[reason], **settings)

    return [
        because("id_not_unique", gxe.ExpectColumnValuesToBeUnique, "id"),
        because("withdrawn_by_reviewer", ExpectNoProblem, "withdrawn_by"),
        because("personal_data", ExpectNoPersonalData, "pii_kinds", allowed=checks.pii_allowed),
        because("special_tokens", ExpectPlainText, "special_tokens"),
        because("prompt_injection", ExpectPlainText, "injections"),
        because("bad_answer", ExpectAnswerAsAgreed, "answer_problem"),
        because("html", ExpectPlainText, "html_marks", most=HTML_TRACES),
        because("html_trace", ExpectPlainText, "html_marks"),
        because("quoted_mail", ExpectPlainText, "mail_marks"),
        because("broken_characters", ExpectPlainText, "broken_characters"),
        because("hidden_characters", ExpectPlainText, "hidden_characters"),
        because("low_quality", ExpectWorthLearning, "low_quality"),
        *(because("language", gxe.ExpectColumnValuesToBeInSet, **wanted) for wanted in _languages(checks)),
        *_length(because, max_tokens),
        *_age(because, checks),
    ]


def relation_suite(checks: Checks) -> gx.ExpectationSuite:
    """What is expected of rows against each other; over the columns of
    `tuneloop.data.relations.relation_columns`.
    """
    own = severities(checks)
    duplicates = [expect(ExpectNoDuplicate, column, kind, own[kind]) for kind, column in RELATION_COLUMNS.items()]
    leak = "cluster_in_two_splits"
    leaks = expect(ExpectOneSplitPerCluster, "splits_in_cluster", leak, own[leak])
    return gx.ExpectationSuite(name="relations", expectations=[*duplicates, leaks])


def _languages(checks: Checks) -> list[dict[str, Any]]:
    if not checks.languages:
        return []
    allowed = [*checks.languages, UNKNOWN_LANGUAGE]
    return [{"column": column, "value_set": allowed} for column in ("language", "answer_language")]


def _length(because: Any, max_tokens: int | None) -> list[Any]:
    """0 tokens are a row that the chat template refuses."""
    if max_tokens is None:
        return []
    between = gxe.ExpectColumnValuesToBeBetween
    return [because("too_long", between, "total_tokens", min_value=1, max_value=max_tokens)]


def _age(because: Any, checks: Checks) -> list[Any]:
    fresh = (
        []
        if checks.max_age_days is None
        else [because("outdated", ExpectFresh, "age_days", max_days=checks.max_age_days)]
    )
    return [*fresh, because("bad_date", ExpectPlainText, "bad_date")]
