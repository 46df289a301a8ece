from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from tuneloop.errors import RecipeError
from tuneloop.evaluation.metrics import AVAILABLE, MetricOptions, score
from tuneloop.recipes import AnswerFormat, Terms

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
LABELS = {"mood": ("good", "bad"), "size": ("s", "m")}
KEYS = ("mood", "size", "note")
GOOD = json.dumps({"mood": "good", "size": "s", "note": "the lamp is late"})
UNBOUNDED = "length_difference"
OWN = '''"""Ours."""

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Own(RowMetric):
    def score_rows(self, answers, expected):
        return [BODY for answer in answers]
'''


class Constant:
    def embed(self, texts):
        return np.full((len(texts), 4), 0.5, dtype=np.float32)


def options(root: Path, **given) -> MetricOptions:
    return MetricOptions(AnswerFormat(kind="json", required_keys=KEYS, labels=LABELS), root=root, **given)


def own(root: Path, body: str) -> str:
    (root / "own.py").write_text(OWN.replace("BODY", body))
    return "own.py"


def test_metrics_of_a_labelling_task_give_one_score_per_answer(tmp_path: Path) -> None:
    names = ["rouge_l", "exact_match", "valid_json", "field_accuracy", "accuracy", "f1"]
    half_right = json.dumps({"mood": "good", "size": "m", "note": "x"})
    table = score(names, [f" {GOOD}\n", half_right, "no idea"], [GOOD] * 3, options(tmp_path), modules_cache=tmp_path)
    assert list(table.columns) == names
    assert table["exact_match"].tolist() == [1.0, 0.0, 0.0]
    assert table["valid_json"].tolist() == [1.0, 1.0, 0.0]
    assert table["field_accuracy"].tolist() == [1.0, 0.5, 0.0]
    assert table["accuracy"].tolist() == [1.0, 0.0, 0.0]
    assert table["f1"].tolist() == [1.0, 0.5, 0.0]
    assert table["rouge_l"].iloc[0] == 1.0
    assert 0.0 < table["rouge_l"].iloc[1] < 1.0


def test_metrics_of_a_text_task_give_one_score_per_answer(tmp_path: Path) -> None:
    names = ["accuracy", "length_ratio", "length_difference", "repetition", "term_accuracy", "meteor"]
    answers = ["The LAMP is late!", "lamp lamp lamp lamp lamp lamp", ""]
    given = MetricOptions(terms=Terms(required=("lamp",), forbidden=("late",)), root=tmp_path)
    table = score(names, answers, ["the lamp is late"] * 3, given, modules_cache=tmp_path)
    assert table["accuracy"].tolist() == [1.0, 0.0, 0.0]
    assert table["length_ratio"].tolist() == [1.0, pytest.approx(4 / 6), 0.0]
    assert table["length_difference"].tolist() == [0.0, 2.0, 4.0]
    assert table["repetition"].tolist() == [0.0, pytest.approx(2 / 3), 0.0]
    assert table["term_accuracy"].tolist() == [0.5, 1.0, 0.5]
    assert table["meteor"].tolist() == sorted(table["meteor"].tolist(), reverse=True)


def test_an_answer_without_words_is_right_only_if_its_marks_are(tmp_path: Path) -> None:
    given = MetricOptions(root=tmp_path)
    table = score(["accuracy"], ["!", "", " ?", ""], ["?", "?", "?", " "], given, modules_cache=tmp_path)
    assert table["accuracy"].tolist() == [0.0, 0.0, 1.0, 1.0]


def test_no_answer_however_hostile_is_left_without_a_sound_score(tmp_path: Path) -> None:
    hostile = ["", " ", "\ud800", "x" * 100_000, "word " * 20_000, "[" * 100_000, "é" * 300, "\x00", GOOD, "1" * 5_000]
    answers, expected = hostile * 2, [*hostile, *hostile[::-1]]
    (tmp_path / "any.json").write_text("{}")
    form = AnswerFormat(labels=LABELS, json_schema="any.json")
    given = MetricOptions(form, Terms(required=("word",), forbidden=("x",)), tmp_path, Constant())
    table = score(list(AVAILABLE), answers, expected, given, modules_cache=tmp_path)
    assert list(table.columns) == list(AVAILABLE)
    assert table.map(math.isfinite).all(axis=None)
    assert table.drop(columns=UNBOUNDED).map(lambda value: 0.0 <= value <= 1.0).all(axis=None)
    assert (table[UNBOUNDED] >= 0).all()


def test_without_answers_there_are_columns_and_no_rows(tmp_path: Path) -> None:
    table = score(["rouge_l", own(tmp_path, "0.0")], [], [], options(tmp_path))
    assert list(table.columns) == ["rouge_l", "own"]
    assert table.empty


def test_an_unknown_metric_is_named_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="'wit'"):
        score(["wit"], ["a"], ["a"], options(tmp_path))


def test_similarity_of_meaning_asks_for_an_embedder(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="Embedder"):
        score(["semantic_similarity"], ["a"], ["a"], options(tmp_path), modules_cache=tmp_path)


def test_the_example_of_a_metric_of_your_own_works(tmp_path: Path) -> None:
    answers = ["One two. Three four five six!", "", "no end"]
    given = MetricOptions(root=ROOT)
    table = score(["examples/metrics/sentence_length.py"], answers, [""] * 3, given, modules_cache=tmp_path)
    assert table["sentence_length"].tolist() == [3.0, 0.0, 2.0]


def test_a_metric_of_your_own_may_read_the_recipe(tmp_path: Path) -> None:
    name = own(tmp_path, "float(len(self.options.answer.required_keys))")
    assert score([name], ["a"], ["a"], options(tmp_path), modules_cache=tmp_path)["own"].tolist() == [3.0]


def test_a_changed_metric_is_loaded_anew(tmp_path: Path) -> None:
    found = [
        score([own(tmp_path, body)], ["a"], ["a"], options(tmp_path), modules_cache=tmp_path)["own"].tolist()
        for body in ("1.0", "2.0")
    ]
    assert found == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("int(answer)", r"own\.py failed on 2 rows: ValueError in line 8"),
        ("{}[answer]", r"failed on 2 rows: KeyError in line 8"),
        ("unknown", r"failed on 2 rows: NameError in line 8"),
        ("answer", r"failed on 2 rows: ValueError"),
        ("next(iter(()))", r"failed on 2 rows: StopIteration in line 8"),
        ("None", r"failed on 2 rows: TypeError"),
        ("float('nan')", r"no finite number for 2 of 2 rows"),
        ("0.0 for answer in answers", r"gave 4 scores for 2 rows"),
    ],
)
def test_a_failing_metric_is_named_without_the_text_it_failed_on(tmp_path: Path, body: str, complaint: str) -> None:
    with pytest.raises(RecipeError, match=complaint) as caught:
        score([own(tmp_path, body)], ["secret words"] * 2, ["b"] * 2, options(tmp_path), modules_cache=tmp_path)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_metric_that_needs_a_missing_package_says_which(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("import no_such_package\n" + OWN.replace("BODY", "0.0"))
    with pytest.raises(RecipeError, match="no_such_package"):
        score(["own.py"], ["a"], ["a"], options(tmp_path), modules_cache=tmp_path)
