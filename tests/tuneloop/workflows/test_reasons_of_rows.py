from __future__ import annotations

from typing import Any

import pandas as pd

from tuneloop.ports import Finding
from tuneloop.workflows.prepare_data.examined import Reason
from tuneloop.workflows.prepare_data.steps import first_reasons

FRAME = pd.DataFrame(
    [{"id": i, "html": n, "near_copy_of": of} for i, n, of in (("a", 3, ""), ("b", 0, "a"), ("c", 1, ""))]
)


def finding(reason: str, column: str | None, *row_ids: str, severity: Any = "quarantine") -> Finding:
    return Finding(reason, "expect", column, severity, success=False, count=len(row_ids), row_ids=row_ids)


def test_a_row_without_a_reason_is_kept() -> None:
    reasons = first_reasons([finding("html", "html", "a"), finding("near_copy", "near_copy_of", "b")], FRAME)

    assert reasons == {0: Reason("html", "html: 3"), 1: Reason("near_copy", "near_copy_of: a", related="a")}


def test_of_several_findings_the_first_is_the_reason() -> None:
    assert first_reasons([finding("low", None, "c"), finding("html", "html", "a", "c")], FRAME) == {
        2: Reason("low", "None: "),
        0: Reason("html", "html: 3"),
    }


def test_a_warning_is_no_reason_and_what_blocks_is_one() -> None:
    findings = [finding("html", "html", "a", severity="warn"), finding("id_not_unique", "id", "b", severity="block")]

    assert first_reasons(findings, FRAME) == {1: Reason("id_not_unique", "id: b")}


def test_all_rows_of_an_id_leave_where_it_is_used_twice() -> None:
    frame = pd.DataFrame([{"id": "a"}, {"id": "b"}, {"id": "a"}])

    assert first_reasons([finding("id_not_unique", "id", "a", "a")], frame).keys() == {0, 2}
