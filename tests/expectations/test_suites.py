from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from expectations.sft_suite import relation_suite, row_suite
from expectations.validating import Finding, validate
from tuneloop.recipes import Checks, Data, Source

DATA = Data(sources=(Source(name="pool", path="x"),), checks=Checks(pii_allowed=("email",), languages=("en",)))
CLEAN: dict[str, Any] = {
    "total_tokens": 9,
    "pii_kinds": "",
    "html_marks": 0,
    "mail_marks": 0,
    "special_tokens": 0,
    "injections": 0,
    "broken_characters": False,
    "language": "en",
    "answer_language": "und",
    "answer_problem": "",
}
ALONE: dict[str, Any] = {
    "contradiction_of": "",
    "leaks_from": "",
    "exact_copy_of": "",
    "near_copy_of": "",
    "splits_in_cluster": 1,
}


def row_findings(**changed: Any) -> list[Finding]:
    frame = pd.DataFrame([{"id": "good", **CLEAN}, {"id": "bad", **CLEAN, **changed}, {"id": "fine", **CLEAN}])
    return validate(frame, row_suite(DATA, max_tokens=100))


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"pii_kinds": "card,email"}, "personal_data"),
        ({"special_tokens": 1}, "special_tokens"),
        ({"injections": 1}, "prompt_injection"),
        ({"answer_problem": "not a JSON object"}, "bad_answer"),
        ({"mail_marks": 1}, "quoted_mail"),
        ({"broken_characters": True}, "broken_characters"),
        ({"language": "de"}, "language"),
        ({"answer_language": "sv"}, "language"),
        ({"total_tokens": 101}, "too_long"),
        ({"total_tokens": 0}, "too_long"),
    ],
)
def test_a_flawed_row_is_named_by_a_warning_with_its_reason(changed: dict[str, Any], reason: str) -> None:
    (finding,) = row_findings(**changed)

    assert (finding.reason, finding.severity, finding.row_ids) == (reason, "warning", ("bad",))


def test_sound_rows_and_allowed_kinds_are_no_findings() -> None:
    assert row_findings() == []
    assert row_findings(pii_kinds="email") == []


def test_a_single_html_mark_is_only_reported() -> None:
    assert [(f.reason, f.severity) for f in row_findings(html_marks=1)] == [("html_trace", "info")]
    assert [f.severity for f in row_findings(html_marks=2)] == ["warning", "info"]


def test_an_id_that_is_not_unique_is_critical() -> None:
    assert [(f.reason, f.severity) for f in row_findings(id="good")] == [("id_not_unique", "critical")]


def test_findings_come_in_the_order_of_the_suite() -> None:
    reasons = [f.reason for f in row_findings(total_tokens=999, language="de", pii_kinds="card", injections=2)]

    assert reasons == ["personal_data", "prompt_injection", "language", "too_long"]


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ("contradiction_of", "contradiction"),
        ("leaks_from", "leakage"),
        ("exact_copy_of", "exact_copy"),
        ("near_copy_of", "near_copy"),
    ],
)
def test_a_twin_is_a_warning_of_its_own_kind(column: str, reason: str) -> None:
    frame = pd.DataFrame([{"id": "a", **ALONE}, {"id": "b", **ALONE, column: "a"}])

    (finding,) = validate(frame, relation_suite())

    assert (finding.reason, finding.severity, finding.row_ids) == (reason, "warning", ("b",))


def test_a_cluster_in_two_splits_is_critical() -> None:
    frame = pd.DataFrame([{"id": "a", **ALONE, "splits_in_cluster": 2}])

    assert [f.severity for f in validate(frame, relation_suite())] == ["critical"]


def test_an_expectation_that_cannot_be_computed_is_no_silent_success() -> None:
    with pytest.raises(RuntimeError, match="could not be computed"):
        validate(pd.DataFrame([{"id": "a"}]), relation_suite())


def test_no_rows_no_findings() -> None:
    assert validate(pd.DataFrame({"id": []}), relation_suite()) == []


def test_a_findings_summary_names_no_row() -> None:
    (finding,) = row_findings(pii_kinds="card")

    assert "bad" not in str(finding.summary())
