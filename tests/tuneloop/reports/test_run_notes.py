from __future__ import annotations

import pytest

from tests.tuneloop.reports.evaluation_examples import make_evaluated_round
from tests.tuneloop.reports.examples import make_round
from tuneloop.reports.evaluation.tables import LOSSES
from tuneloop.reports.run_notes import model_table, score_table, verdict_markdown


@pytest.fixture
def round_(tmp_path):
    return make_evaluated_round(tmp_path)


def test_the_models_stand_side_by_side_in_one_table(round_):
    rows = score_table(round_)
    assert {tuple(row) for row in rows} == {("part", "metric", "n", "base", "champion", "candidate")}
    assert rows[0]["candidate"] == "0.84 [0.76, 0.92]"


def test_one_models_table_has_its_suites_slices_and_categories(round_):
    parts = [row["part"] for row in model_table(round_.candidate)]
    assert {"the task", "red_team", "label:category=billing", "bias_pairs=gender"} <= set(parts)


def test_the_verdict_is_told_with_a_picture_and_every_reason(round_):
    text = verdict_markdown(round_.verdict, LOSSES)
    assert text.startswith("## Refused: 1 of 7 rules and checks")
    assert "](data:image/png;base64," in text
    assert text.count("\n- ") == len(round_.verdict.reasons)


def test_a_verdict_without_numbers_has_no_picture_and_formats_nothing():
    text = verdict_markdown(make_round(1).verdict, LOSSES)
    assert "data:image" not in text
    assert "\\<b\\>over" in text
