from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuneloop.errors import RecipeError
from tuneloop.evaluation.answer_fields import has_wanted_form, share_of_equal_fields
from tuneloop.evaluation.metrics import METRICS, score
from tuneloop.recipes import AnswerFormat

LABELS = {"mood": ("good", "bad"), "size": ("s", "m")}
KEYS = ("mood", "size", "note")
GOOD = json.dumps({"mood": "good", "size": "s", "note": "the lamp is late"})


def test_every_metric_gives_one_score_per_answer(tmp_path: Path) -> None:
    form = AnswerFormat(kind="json", required_keys=KEYS, labels=LABELS)
    half_right = json.dumps({"mood": "good", "size": "m", "note": "x"})
    table = score(list(METRICS), [f" {GOOD}\n", half_right, "no idea"], [GOOD] * 3, form, modules_cache=tmp_path)
    assert list(table.columns) == ["rouge_l", "exact_match", "valid_json", "field_accuracy"]
    assert table["exact_match"].tolist() == [1.0, 0.0, 0.0]
    assert table["valid_json"].tolist() == [1.0, 1.0, 0.0]
    assert table["field_accuracy"].tolist() == [1.0, 0.5, 0.0]
    assert table["rouge_l"].iloc[0] == 1.0
    assert 0.0 < table["rouge_l"].iloc[1] < 1.0


def test_an_unknown_metric_is_named_before_anything_is_loaded() -> None:
    with pytest.raises(RecipeError, match="'wit'"):
        score(["wit"], ["a"], ["a"], AnswerFormat())


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (GOOD, True),
        ("", False),
        ("[1]", False),
        (f"Sure! {GOOD}", False),
        (GOOD[:-1], False),
        (json.dumps({"mood": "good", "size": "s"}), False),
        (json.dumps({"mood": "fine", "size": "s", "note": "x"}), False),
        (json.dumps({"mood": ["good"], "size": "s", "note": "x"}), False),
        (json.dumps({"mood": "good", "size": "s", "note": "  "}), False),
        ("[" * 100_000, False),
    ],
)
def test_the_form_of_an_answer_is_right_or_wrong(text: str, valid: bool) -> None:  # noqa: FBT001
    assert has_wanted_form(text, KEYS, LABELS) is valid


def test_fields_without_named_keys_are_those_of_the_expected_answer() -> None:
    assert share_of_equal_fields('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', ()) == 0.5
    assert share_of_equal_fields("{}", '{"a": 1}', ()) == 0.0
    assert share_of_equal_fields('{"a": 1}', "no JSON", ()) == 0.0
