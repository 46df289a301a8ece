from __future__ import annotations

import json
import logging
from typing import Any

import great_expectations as gx
import pandas as pd
import pytest

from expectations.plain_text import ExpectPlainText
from expectations.row_findings import ExpectNoProblem
from expectations.severities import expect
from expectations.validating import _results, validate
from tuneloop.ports import Finding

pytestmark = pytest.mark.integration

SUITE = gx.ExpectationSuite(
    name="two",
    expectations=[
        expect(ExpectNoProblem, "problem", "odd", "quarantine"),
        expect(ExpectPlainText, "marks", "marked", "warn"),
    ],
)


def frame_of(*rows: tuple[str, str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=["id", "problem", "marks"])


def test_every_expectation_reports_met_or_not() -> None:
    findings = validate(frame_of(("a", "", 0), ("b", "odd", 0), ("c", "odd", 0)), SUITE)

    assert findings == [
        Finding("odd", "expect_no_problem", "problem", "quarantine", success=False, count=2, row_ids=("b", "c")),
        Finding("marked", "expect_plain_text", "marks", "warn", success=True, count=0, row_ids=()),
    ]


def test_rows_are_named_by_id_whatever_the_index_is() -> None:
    frame = frame_of(("a", "", 0), ("b", "odd", 3), ("c", "", 0)).set_axis([7, 7, 5])

    assert [f.row_ids for f in validate(frame, SUITE)] == [("b",), ("b",)]


def test_every_row_is_named_however_many_there_are() -> None:
    frame = frame_of(*((f"r{i}", "odd" if i % 2 else "", 0) for i in range(5000)))

    (finding, _) = validate(frame, SUITE)

    assert finding.row_ids == tuple(f"r{i}" for i in range(1, 5000, 2))


def test_no_rows_meet_everything() -> None:
    assert [(f.success, f.count) for f in validate(frame_of(), SUITE)] == [(True, 0), (True, 0)]


def test_an_expectation_that_cannot_be_computed_is_no_silent_success() -> None:
    with pytest.raises(RuntimeError, match="could not be computed"):
        validate(pd.DataFrame([{"id": "a", "problem": ""}]), SUITE)


@pytest.mark.parametrize("gap", [None, float("nan")])
def test_an_empty_cell_is_no_silent_success(gap: Any) -> None:
    with pytest.raises(RuntimeError, match="empty cells in problem"):
        validate(pd.DataFrame({"id": ["a", "b"], "problem": ["", gap], "marks": [0, 0]}), SUITE)


def test_great_expectations_is_given_no_value_to_keep_or_log(caplog: pytest.LogCaptureFixture) -> None:
    frame = frame_of(("a", "secret text of a row", 0))

    with caplog.at_level(logging.DEBUG):
        results = _results(frame, SUITE)

    assert "secret" not in json.dumps([r.to_json_dict() for r in results])
    assert "secret" not in caplog.text
