from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.errors import RecipeError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.lm_eval import LmEval
from tuneloop.evaluation.suites.suite import SuiteScores

pytestmark = pytest.mark.integration

ROWS = [
    {"question": f"The lamp has {n} lights. How many?", "choices": [str(n), str(n + 1), "none"], "right": 0}
    for n in range(2, 8)
]


def write_task(folder: Path, name: str, *, data: str, **settings: object) -> None:
    content = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": data}},
        "test_split": "test",
        "doc_to_text": "{{question}}\nAnswer:",
        **settings,
    }
    (folder / f"{name}.yaml").write_text(json.dumps(content))  # JSON is YAML


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tasks")
    data = folder / "lamps.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    choose = {"output_type": "multiple_choice", "doc_to_choice": "{{choices}}", "doc_to_target": "right"}
    write_task(folder, "lamps_choose", data=str(data), **choose, metric_list=[{"metric": "acc"}])
    write_task(folder, "lamps_run", data=str(data), **choose, metric_list=[{"metric": "acc"}], unsafe_code=True)
    write_task(folder, "lamps_f1", data=str(data), **choose, metric_list=[{"metric": "f1"}])
    write_task(folder, "lamps_gone", data=str(folder / "gone.jsonl"), **choose, metric_list=[{"metric": "acc"}])
    write_task(
        folder,
        "lamps_say",
        data=str(data),
        output_type="generate_until",
        doc_to_target="{{choices[0]}}",
        generation_kwargs={"until": ["\n"], "max_gen_toks": 4},
        metric_list=[{"metric": "exact_match"}],
    )
    return folder


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    folder = make_tiny_model(tmp_path_factory.mktemp("tiny"))
    return Subject(LanguageModel(folder, threads=1), "tiny", "", 4, folder / "cache")


@pytest.fixture(scope="module")
def measured(tasks: Path, subject: Subject) -> SuiteScores:
    return LmEval(("lamps_choose", "lamps_say"), include_path=tasks, limit=4).measure(subject)


def test_there_is_a_row_for_every_sample_up_to_the_limit(measured: SuiteScores) -> None:
    assert list(measured.frame.columns) == ["id", "cluster", "category", "lm_eval"]
    assert measured.metrics == ("lm_eval",)
    expected = [f"{task}/{number}" for task in ("lamps_choose", "lamps_say") for number in range(4)]
    assert list(measured.frame["id"]) == expected
    assert list(measured.frame["category"]) == ["lamps_choose"] * 4 + ["lamps_say"] * 4
    assert measured.frame["cluster"].is_unique


def test_the_chosen_answer_is_the_one_that_our_own_losses_find_likeliest(
    measured: SuiteScores, subject: Subject
) -> None:
    """The harness reads the weights by itself; both ways must come to the same."""
    model = subject.model
    for row, answer, score in zip(ROWS, measured.answers[:4], measured.frame["lm_eval"][:4], strict=False):
        context = model.tokenizer.encode(f"{row['question']}\nAnswer:")
        choices = [model.tokenizer.encode(f"{row['question']}\nAnswer: {choice}") for choice in row["choices"]]
        losses = [sum(loss) for loss in model.losses(choices, [len(context)] * len(choices))]
        likeliest = losses.index(min(losses))
        assert answer["answer"] == row["choices"][likeliest]
        assert score == float(likeliest == row["right"])


def test_a_said_answer_is_right_where_it_is_the_expected_one(measured: SuiteScores) -> None:
    for row, answer, score in zip(ROWS, measured.answers[4:], measured.frame["lm_eval"][4:], strict=False):
        assert answer["prompt"] == f"{row['question']}\nAnswer:"
        assert score == float(answer["answer"].strip() == row["choices"][0])
        assert answer["failure"] == (None if score else f"expected: {row['choices'][0]}")


def test_a_task_that_nobody_knows_is_named(tasks: Path, subject: Subject) -> None:
    with pytest.raises(RecipeError, match="has no task 'lamps_chose'"):
        LmEval(("lamps_choose", "lamps_chose"), include_path=tasks).measure(subject)


def test_data_that_cannot_be_had_are_an_error_that_says_what_to_do(tasks: Path, subject: Subject) -> None:
    with pytest.raises(RecipeError, match=r"data of the tasks lamps_gone cannot be had .* reach the Hugging Face hub"):
        LmEval(("lamps_gone",), include_path=tasks).measure(subject)


@pytest.mark.parametrize(
    ("task", "advice"),
    [
        ("lamps_f1", "lamps_f1 is measured by f1; only tasks with one of acc, exact_match"),
        ("lamps_run", "lamps_run executes what the model writes"),
    ],
)
def test_a_task_that_cannot_be_a_suite_is_refused_with_the_reason(
    tasks: Path, subject: Subject, task: str, advice: str
) -> None:
    with pytest.raises(RecipeError, match=advice):
        LmEval((task,), include_path=tasks).measure(subject)


def test_what_the_scores_depend_on_changes_with_the_users_files(tmp_path: Path) -> None:
    pytest.importorskip("lm_eval", reason="the extra lm-eval is not installed")
    (tmp_path / "mine.yaml").write_text("task: mine")
    before = LmEval(("mine",), include_path=tmp_path).identity()
    assert before == LmEval(("mine",), include_path=tmp_path).identity()
    assert before != LmEval(("mine",), include_path=tmp_path, limit=3).identity()
    (tmp_path / "mine.yaml").write_text("task: mine\nnum_fewshot: 3")
    assert before != LmEval(("mine",), include_path=tmp_path).identity()


def test_without_the_harness_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])  # where packages are looked for
    with pytest.raises(RecipeError, match=r"pip install 'tuneloop\[lm-eval\]'"):
        LmEval(("arc_easy",)).identity()
