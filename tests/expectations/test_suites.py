from __future__ import annotations

from typing import Any, get_args

import pandas as pd
import pytest

from expectations.sft_suite import relation_suite, row_suite
from expectations.validating import build, validate
from tuneloop.data.relations import RELATION_COLUMNS
from tuneloop.ports import Finding, Suite, SuiteName
from tuneloop.recipes import Checks
from tuneloop.severities import DEFAULTS

pytestmark = pytest.mark.integration

CHECKS = Checks(pii_allowed=("email",), languages=("en",), max_age_days=100)
CLEAN: dict[str, Any] = {
    "total_tokens": 9,
    "pii_kinds": "",
    "html_marks": 0,
    "mail_marks": 0,
    "special_tokens": 0,
    "injections": 0,
    "broken_characters": False,
    "hidden_characters": False,
    "language": "en",
    "answer_language": "und",
    "answer_problem": "",
    "low_quality": "",
    "preference_problem": "",
    "age_days": -1,
    "bad_date": False,
    "withdrawn_by": "",
}
CATEGORIES = (
    "pii_kinds",
    "language",
    "answer_language",
    "answer_problem",
    "low_quality",
    "preference_problem",
    "withdrawn_by",
)
SMALL = ("html_marks", "mail_marks", "special_tokens", "injections")
ALONE: dict[str, Any] = {**dict.fromkeys(RELATION_COLUMNS.values(), ""), "splits_in_cluster": 1}

FLAWS = [
    ({"withdrawn_by": "reviewer-a in shop-round-1"}, "withdrawn_by_reviewer"),
    ({"pii_kinds": "card,email"}, "personal_data"),
    ({"special_tokens": 1}, "special_tokens"),
    ({"injections": 1}, "prompt_injection"),
    ({"answer_problem": "not a JSON object"}, "bad_answer"),
    ({"mail_marks": 1}, "quoted_mail"),
    ({"broken_characters": True}, "broken_characters"),
    ({"low_quality": "shouting"}, "low_quality"),
    ({"language": "de"}, "language"),
    ({"answer_language": "sv"}, "language"),
    ({"total_tokens": 101}, "too_long"),
    ({"total_tokens": 0}, "too_long"),
    ({"age_days": 101}, "outdated"),
]


def row_frame(**changed: Any) -> pd.DataFrame:
    """As `row_columns` makes it: few values are categories, small numbers are small."""
    frame = pd.DataFrame([{"id": "good", **CLEAN}, {"id": "bad", **CLEAN, **changed}, {"id": "fine", **CLEAN}])
    return frame.astype({**dict.fromkeys(CATEGORIES, "category"), **dict.fromkeys(SMALL, "int16")})


def row_findings(checks: Checks = CHECKS, **changed: Any) -> list[Finding]:
    return [f for f in validate(row_frame(**changed), row_suite(checks, max_tokens=100)) if not f.success]


def with_severity(**severity: Any) -> Checks:
    return CHECKS.model_copy(update={"severity": severity})


@pytest.mark.parametrize(("changed", "reason"), FLAWS)
def test_a_flawed_row_is_to_be_set_aside_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    (finding,) = row_findings(**changed)

    assert (finding.reason, finding.severity, finding.count, finding.row_ids) == (reason, "quarantine", 1, ("bad",))


def test_every_reason_of_rows_has_a_row_that_shows_it() -> None:
    reasons = {e.meta["reason"] for e in row_suite(CHECKS, max_tokens=100).expectations}

    shown = {reason for _, reason in FLAWS} | {"id_not_unique", "html", "html_trace", "hidden_characters", "bad_date"}
    assert reasons == shown


def test_sound_rows_and_allowed_kinds_are_no_findings() -> None:
    assert row_findings() == []
    assert row_findings(pii_kinds="email") == []
    assert row_findings(age_days=100) == []


def test_hidden_characters_are_only_reported_unless_a_recipe_wants_more() -> None:
    strict = Checks(severity={"hidden_characters": "quarantine"})

    assert [(f.reason, f.severity) for f in row_findings(hidden_characters=True)] == [("hidden_characters", "warn")]
    assert [f.severity for f in row_findings(strict, hidden_characters=True)] == ["quarantine"]


def test_a_single_html_mark_is_only_reported() -> None:
    assert [(f.reason, f.severity) for f in row_findings(html_marks=1)] == [("html_trace", "warn")]
    assert [f.severity for f in row_findings(html_marks=2)] == ["quarantine", "warn"]


def test_a_date_that_cannot_be_read_is_only_reported() -> None:
    assert [(f.reason, f.severity) for f in row_findings(bad_date=True)] == [("bad_date", "warn")]


def test_an_id_that_is_not_unique_blocks() -> None:
    assert [(f.reason, f.severity) for f in row_findings(id="good")] == [("id_not_unique", "block")]


def test_findings_come_in_the_order_of_the_suite() -> None:
    reasons = [f.reason for f in row_findings(total_tokens=999, language="de", pii_kinds="card", injections=2)]

    assert reasons == ["personal_data", "prompt_injection", "language", "too_long"]


def test_lengths_are_not_looked_at_without_a_tokenizer() -> None:
    findings = validate(row_frame(total_tokens=0), row_suite(CHECKS, max_tokens=None))

    assert "too_long" not in {f.reason for f in findings}


def test_ages_and_languages_are_looked_at_where_the_recipe_asks() -> None:
    suite = row_suite(Checks(languages=()), max_tokens=9)

    assert {"outdated", "language"}.isdisjoint(e.meta["reason"] for e in suite.expectations)


@pytest.mark.parametrize("severity", ["block", "quarantine", "warn"])
def test_a_recipe_decides_what_a_reason_does(severity: str) -> None:
    (finding,) = row_findings(with_severity(low_quality=severity), low_quality="shouting")

    assert finding.severity == severity


def test_a_recipe_decides_for_relations_too() -> None:
    frame = pd.DataFrame([{"id": "a", **ALONE}, {"id": "b", **ALONE, "near_copy_of": "a"}])

    findings = validate(frame, relation_suite(with_severity(near_copy="warn")))

    assert [(f.reason, f.severity) for f in findings if not f.success] == [("near_copy", "warn")]


@pytest.mark.parametrize(("kind", "column"), RELATION_COLUMNS.items())
def test_a_duplicate_is_a_finding_of_its_own_kind(kind: str, column: str) -> None:
    frame = pd.DataFrame([{"id": "a", **ALONE}, {"id": "b", **ALONE, column: "a"}])

    (finding,) = [f for f in validate(frame, relation_suite(CHECKS)) if not f.success]

    assert (finding.reason, finding.severity, finding.row_ids) == (kind, "quarantine", ("b",))


def test_a_cluster_in_two_splits_blocks() -> None:
    frame = pd.DataFrame([{"id": "a", **ALONE, "splits_in_cluster": 2}])

    assert [f.severity for f in validate(frame, relation_suite(CHECKS)) if not f.success] == ["block"]


def test_every_default_has_an_expectation() -> None:
    suites = (row_suite(CHECKS, max_tokens=9), relation_suite(CHECKS))
    used = {e.meta["reason"] for suite in suites for e in suite.expectations}

    assert used == DEFAULTS.keys() - {"no_preference"}


@pytest.mark.parametrize("name", get_args(SuiteName))
def test_every_suite_that_the_library_asks_for_has_that_name(name: SuiteName) -> None:
    suite = build(Suite(name, CHECKS, max_tokens=9))

    assert suite.name == name
    assert suite.expectations
