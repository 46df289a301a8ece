from __future__ import annotations

import json
import math
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.tiny_models import make_tiny_model
from tuneloop.errors import DataError, ModelError, RecipeError
from tuneloop.evaluation.evaluating import EvaluationSetup, evaluate_model
from tuneloop.evaluation.metrics import MetricOptions
from tuneloop.evaluation.score_files import read_test_rows
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.suite import SuiteScores
from tuneloop.recipes import AnswerFormat, Evaluation
from tuneloop.records import Message, Record
from tuneloop.results import EvaluationReport

pytestmark = pytest.mark.integration

CONFIG = Evaluation(
    max_rows=5,
    max_new_tokens=4,
    batch_size=4,
    metrics=("exact_match", "valid_json", "length_difference"),
    slices=("extra:shop",),
    min_slice_rows=2,
)


class Echoes:
    """A suite with two kinds of prompts, of which the model is right in one."""

    name = "echoes"

    def identity(self) -> str:
        return "echoes-1"

    def measure(self, subject: Subject) -> SuiteScores:
        said = subject.answers([[Message("user", "Say a.")], [Message("user", "Say b.")]], max_new_tokens=2).answers
        frame = pd.DataFrame({"id": ["a", "b"], "cluster": ["a", "b"], "category": ["x", "y"], "echo_gap": [0.0, 1.0]})
        answers = [{"id": i, "category": "x", "prompt": i, "answer": a, "failure": None} for i, a in enumerate(said)]
        return SuiteScores(frame, ("echo_gap",), frozenset({"echo_gap"}), tuple(answers))


def record(number: int) -> Record:
    turns = (Message("user", f"Where is parcel {number}?"), Message("assistant", json.dumps({"parcel": number})))
    extra = {"shop": "north" if number else "south"}
    return Record(id=f"row-{number}", messages=turns, source="rows", line=number + 1, extra=extra)


def shop(record: Record, by: str) -> list[str]:
    return [str(record.extra[by.removeprefix("extra:")])]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def write_rows(file: Path, count: int) -> Path:
    rows = [record(i) for i in range(count)]
    columns = {"id": [r.id for r in rows], "cluster": [f"c{r.line // 2}" for r in rows]}
    pd.DataFrame({**columns, "record": [json.dumps(r.to_json()) for r in rows]}).to_parquet(file)
    return file


@pytest.fixture
def arguments(tmp_path: Path, model: Path) -> dict[str, Any]:
    setup = EvaluationSetup(
        test_file=write_rows(tmp_path / "test.parquet", 8),
        validation_file=write_rows(tmp_path / "validation.parquet", 3),
        config=CONFIG,
        metrics=MetricOptions(answer=AnswerFormat(kind="json", required_keys=("parcel",)), root=tmp_path),
        system_prompt="",
        suites=[Echoes()],
        slice_values=shop,
        generations=tmp_path / "generations",
        threads=1,
    )
    out = tmp_path / "evaluations" / "one"
    return {"name": "candidate", "model": model, "model_hash": "h1", "data_version": "v1", "setup": setup, "out": out}


def test_an_evaluation_reports_metrics_losses_slices_suites_and_speed(arguments: dict[str, Any]) -> None:
    told: list[tuple[int, int]] = []
    report = evaluate_model(**arguments, on_progress=lambda done, total: told.append((done, total)))
    assert list(report.metrics) == ["exact_match", "valid_json", "length_difference", "loss", "perplexity"]
    assert report.metrics["perplexity"].value == pytest.approx(math.exp(report.metrics["loss"].value))
    assert {n for n, m in report.everything.items() if m.lower_is_better} == {
        "length_difference", "loss", "perplexity", "echo_gap",
    }  # fmt: skip
    assert report.suites["echoes"]["echo_gap"].value == 0.5
    assert report.categories["echoes=y"]["echo_gap"].value == 1.0
    assert all(name.startswith("extra:shop=") for name in report.slices)
    assert report.slices["extra:shop=north"]["loss"].n >= 4
    assert report.speed is not None
    assert report.speed.tokens_per_second_alone > 0
    assert len(report.prompt_format) > 10
    assert told[-1] == (5, 5)
    check_files(report)
    check_that_it_is_not_repeated(arguments, report)
    check_that_damage_heals(arguments, report)


def check_files(report: EvaluationReport) -> None:
    folder = Path(report.scores).parent
    columns = ["id", "cluster", "exact_match", "valid_json", "length_difference", "loss", "extra:shop"]
    assert list(pd.read_parquet(report.scores).columns) == columns
    assert len(pd.read_parquet(folder / "validation.parquet")) == 3
    for private, rows in ((Path(report.answers), 5), (folder / "echoes.jsonl", 2)):
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        assert len(private.read_text().splitlines()) == rows


def check_that_it_is_not_repeated(arguments: dict[str, Any], report: EvaluationReport) -> None:
    """A folder without a model shows that none is asked for."""
    unread = {**arguments, "model": arguments["out"] / "gone", "name": "champion", "data_version": "v2"}
    again = evaluate_model(**unread)
    assert again == report.model_copy(update={"model": "champion", "data_version": "v2"})
    changes: list[dict[str, Any]] = [{"model_hash": "h2"}]
    other_beds: list[dict[str, Any]] = [{"system_prompt": "Be brief."}, {"suites": []}]
    changes += [{"setup": replace(arguments["setup"], **change)} for change in other_beds]
    for change in changes:
        with pytest.raises(ModelError):
            evaluate_model(**{**unread, **change})


def check_that_damage_heals(arguments: dict[str, Any], report: EvaluationReport) -> None:
    scores = Path(report.scores)
    before = pd.read_parquet(scores)
    scores.unlink()
    (arguments["out"] / "report.json").write_text("{torn")
    healed = evaluate_model(**arguments)
    assert healed.metrics == report.metrics
    pd.testing.assert_frame_equal(pd.read_parquet(scores), before)


def test_rules_and_batches_do_not_make_an_evaluation_another_one(arguments: dict[str, Any]) -> None:
    setup = arguments["setup"]
    other = replace(setup, config=CONFIG.model_copy(update={"batch_size": 2, "improvement": "any"}))
    assert other.identity("h1") == setup.identity("h1")
    fewer = replace(setup, config=CONFIG.model_copy(update={"max_rows": 4}))
    assert fewer.identity("h1") != setup.identity("h1")


def test_an_unknown_metric_is_refused_before_the_model_is_read(arguments: dict[str, Any]) -> None:
    config = CONFIG.model_copy(update={"metrics": ("wit",)})
    with pytest.raises(RecipeError, match="wit"):
        evaluate_model(**{**arguments, "setup": replace(arguments["setup"], config=config), "model": Path("/nowhere")})


def test_a_sample_of_rows_keeps_its_rows_when_others_are_added(tmp_path: Path) -> None:
    few = {r.id for r, _ in read_test_rows(write_rows(tmp_path / "few.parquet", 20), None)}
    sample = [r.id for r, _ in read_test_rows(write_rows(tmp_path / "few.parquet", 20), 8)]
    larger = [r.id for r, _ in read_test_rows(write_rows(tmp_path / "more.parquet", 24), 8)]
    assert [i for i in larger if i in few] == sample[: len([i for i in larger if i in few])]


@pytest.mark.parametrize("rows", [None, 0])
def test_without_test_rows_nothing_is_said(tmp_path: Path, rows: int | None) -> None:
    file = tmp_path / "test.parquet"
    if rows is not None:
        write_rows(file, rows)
    with pytest.raises(DataError):
        read_test_rows(file, None)
