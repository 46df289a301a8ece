from __future__ import annotations

import pytest

from expectations.preference_suite import preference_suite
from expectations.sft_suite import row_suite
from expectations.validating import validate
from tests.expectations.test_suites import CHECKS, row_frame

pytestmark = pytest.mark.integration


def test_a_pair_of_which_none_is_better_is_to_be_set_aside() -> None:
    findings = validate(row_frame(preference_problem="same"), preference_suite(CHECKS, max_tokens=100))

    failed = [(f.reason, f.severity, f.row_ids) for f in findings if not f.success]
    assert failed == [("no_preference", "quarantine", ("bad",))]


def test_pairs_are_expected_to_be_all_that_rows_are() -> None:
    rows = [e.meta["reason"] for e in row_suite(CHECKS, max_tokens=9).expectations]

    assert [e.meta["reason"] for e in preference_suite(CHECKS, max_tokens=9).expectations] == ["no_preference", *rows]


def test_instruction_rows_need_no_second_answer() -> None:
    assert all(f.success for f in validate(row_frame(preference_problem="missing"), row_suite(CHECKS, max_tokens=100)))
