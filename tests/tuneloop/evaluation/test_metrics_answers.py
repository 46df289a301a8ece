from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tuneloop.errors import RecipeError
from tuneloop.evaluation.answer_fields import has_expected_labels, has_wanted_form, read_schema, share_of_equal_fields
from tuneloop.evaluation.modules.scoring.similarity import similarities
from tuneloop.evaluation.modules.scoring.words import Overlap, share_of_terms_kept

LABELS = {"mood": ("good", "bad"), "size": ("s", "m")}
KEYS = ("mood", "size", "note")
GOOD = json.dumps({"mood": "good", "size": "s", "note": "the lamp is late"})


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
        (json.dumps({"mood": "good", "size": "s", "note": "x", "price": float("nan")}), False),
        ("[" * 100_000, False),
    ],
)
def test_the_form_of_an_answer_is_right_or_wrong(text: str, valid: bool) -> None:  # noqa: FBT001
    assert has_wanted_form(text, KEYS, LABELS) is valid


def test_fields_without_named_keys_are_those_of_the_expected_answer() -> None:
    assert share_of_equal_fields('{"a": 1, "b": 2}', '{"a": 1, "b": 3}', ()) == 0.5
    assert share_of_equal_fields("{}", '{"a": 1}', ()) == 0.0
    assert share_of_equal_fields('{"a": 1}', "no JSON", ()) == 0.0


def test_labels_are_right_only_all_together() -> None:
    assert has_expected_labels(json.dumps({"mood": "good", "size": "s", "note": "another"}), GOOD, LABELS)
    assert not has_expected_labels(json.dumps({"mood": "good", "size": "m"}), GOOD, LABELS)
    assert not has_expected_labels(json.dumps({"mood": "good"}), GOOD, LABELS)
    assert not has_expected_labels("no JSON", "no JSON", LABELS)


def test_an_answer_must_be_as_the_schema_wants_it(tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"$ref": "#/$defs/price"}, "$defs": {"price": {"type": "number", "minimum": 0}}}
    (tmp_path / "prices.json").write_text(json.dumps(schema))
    wanted = read_schema("prices.json", tmp_path)
    assert [has_wanted_form(text, (), {}, wanted) for text in ("[1, 2.5]", "[]", "[-1]", '{"a": 1}', "")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert not has_wanted_form("[1]", ("total",), {}, wanted)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ('{"type": 5}', "is not a JSON Schema"),
        ('{"$ref": "https://example.org/schema.json"}', "write it into `.defs`"),
        ('{"items": {"$dynamicRef": "beside.json"}}', "write it into `.defs`"),
        ('{"$ref": "#/$defs/nowhere"}', "has no #/.defs/nowhere"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "answer.json").write_text(content)
    with pytest.raises(RecipeError, match=complaint):
        read_schema("answer.json", tmp_path)


def test_a_schema_must_be_a_file_in_the_project(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_schema("nowhere.json", tmp_path)
    with pytest.raises(RecipeError, match="outside the project"):
        read_schema("../answer.json", tmp_path)


def test_precision_recall_and_f1_count_words_as_squad_does() -> None:
    (row,) = Overlap.of_rows(["The red lamp, a red one!"], ["red lamp is late"], {})
    assert (row.precision, row.recall, row.f1) == (0.5, 0.5, 0.5)
    empty, silent, chatty = Overlap.of_rows(["", "", "yes"], ["", "yes", "the"], {})
    assert [empty.f1, empty.precision, empty.recall] == [1.0, 1.0, 1.0]
    assert [silent.f1, silent.precision, silent.recall] == [0.0, 0.0, 0.0]
    assert [chatty.f1, chatty.precision, chatty.recall] == [0.0, 0.0, 0.0]
    assert [row.f1 for row in Overlap.of_rows(["!", "", "the"], ["?", "the", "the"], {})] == [0.0, 0.0, 1.0]


def test_precision_and_recall_are_of_labels_where_the_recipe_has_them() -> None:
    some, none = Overlap.of_rows([json.dumps({"mood": "good", "note": "x"}), "no JSON"], [GOOD, GOOD], LABELS)
    assert (some.precision, some.recall, some.f1) == (1.0, 0.5, pytest.approx(2 / 3))
    assert (none.precision, none.recall, none.f1) == (0.0, 0.0, 0.0)


def test_terms_are_owed_only_where_they_apply() -> None:
    answers = ["Use the Torque Wrench.", "use a spanner", "CHEAP!", "cheaply done", "hello"]
    expected = ["the torque  wrench", "the torque wrench", "fine", "fine", "the torque wrenches"]
    kept = share_of_terms_kept(answers, expected, required=("torque wrench",), forbidden=("cheap",))
    assert kept == [1.0, 0.5, 0.0, 1.0, 1.0]
    assert share_of_terms_kept(["x"], ["y"], required=("(a+b", " "), forbidden=("",)) == [1.0]


class Letters:
    """Vectors that say which of a, b, c a text has; a text of z only is embedded as a model fails to: NaN."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += texts
        rows = np.array([[letter in text for letter in "abc"] for text in texts], dtype=np.float32)
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        rows[[text == "z" for text in texts]] = np.nan
        return rows


def test_similar_meanings_are_close_and_each_text_is_embedded_once() -> None:
    letters = Letters()
    found = similarities(["a", "a", "ab", "", "", "z"], ["a", "b", "a", "a", " ", "a"], letters)
    assert found == pytest.approx([1.0, 0.0, 0.5**0.5, 0.0, 1.0, 0.0])
    assert sorted(letters.asked) == ["", " ", "a", "ab", "b", "z"]
