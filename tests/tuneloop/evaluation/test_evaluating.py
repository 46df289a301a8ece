from __future__ import annotations

import json
import math
import stat
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.tiny_models import make_tiny_model
from tuneloop import chat
from tuneloop.errors import DataError, ModelError, RecipeError
from tuneloop.evaluation.evaluating import evaluate_model
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses, text_losses
from tuneloop.evaluation.score_files import read_test_rows
from tuneloop.recipes import AnswerFormat, Evaluation
from tuneloop.records import Message, Record
from tuneloop.results import EvaluationReport

CONFIG = Evaluation(max_rows=5, max_new_tokens=4, batch_size=4, metrics=("exact_match", "valid_json"), max_probes=2)


def record(number: int) -> Record:
    turns = (Message("user", f"Where is parcel {number}?"), Message("assistant", json.dumps({"parcel": number})))
    return Record(id=f"row-{number}", messages=turns, source="rows", line=number + 1)


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
    probes = tmp_path / "probes.jsonl"
    lines = [
        {"id": f"p{i}", "skill": "s", "prompt": "Two?", "accept": ["2"], "text": "One and one is two."}
        for i in range(3)
    ]
    probes.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {
        "name": "candidate",
        "model": model,
        "model_hash": "h1",
        "data_version": "v1",
        "test_file": write_rows(tmp_path / "test.parquet", 8),
        "answer": AnswerFormat(kind="json", required_keys=("parcel",)),
        "config": CONFIG,
        "probes_file": probes,
        "system_prompt": "",
        "out": tmp_path / "evaluations" / "one",
        "generations": tmp_path / "generations",
        "threads": 1,
    }


def test_an_evaluation_reports_metrics_losses_and_probes(arguments: dict[str, Any]) -> None:
    told: list[tuple[int, int]] = []
    report = evaluate_model(**arguments, on_progress=lambda done, total: told.append((done, total)))
    assert list(report.metrics) == ["exact_match", "valid_json", "loss", "perplexity"]
    assert report.metrics["perplexity"].value == pytest.approx(math.exp(report.metrics["loss"].value))
    assert {name: metric.n for name, metric in report.probes.items()} == {"general_skills": 2, "probe_loss": 2}
    assert told[-1] == (5, 5)
    assert list(pd.read_parquet(report.scores).columns) == ["id", "cluster", "exact_match", "valid_json", "loss"]
    assert stat.S_IMODE(Path(report.answers).stat().st_mode) == 0o600
    assert len(Path(report.answers).read_text().splitlines()) == 5
    check_that_it_is_not_repeated(arguments, report)
    check_that_damage_heals(arguments, report)


def check_that_it_is_not_repeated(arguments: dict[str, Any], report: EvaluationReport) -> None:
    """A folder without a model shows that none is asked for."""
    unread = {**arguments, "model": arguments["out"] / "gone", "name": "champion", "data_version": "v2"}
    again = evaluate_model(**unread)
    assert again == report.model_copy(update={"model": "champion", "data_version": "v2"})
    with pytest.raises(ModelError):
        evaluate_model(**{**unread, "model_hash": "h2"})
    with pytest.raises(ModelError):
        evaluate_model(**{**unread, "system_prompt": "Be brief."})


def check_that_damage_heals(arguments: dict[str, Any], report: EvaluationReport) -> None:
    scores = Path(report.scores)
    before = pd.read_parquet(scores)
    scores.unlink()
    (arguments["out"] / "report.json").write_text("{torn")
    healed = evaluate_model(**arguments)
    assert healed.metrics == report.metrics
    pd.testing.assert_frame_equal(pd.read_parquet(scores), before)


def test_an_unknown_metric_is_refused_before_the_model_is_read(arguments: dict[str, Any]) -> None:
    config = CONFIG.model_copy(update={"metrics": ("wit",)})
    with pytest.raises(RecipeError, match="wit"):
        evaluate_model(**{**arguments, "config": config, "model": Path("/nowhere")})


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


def test_the_loss_of_an_answer_is_that_of_the_labels_in_transformers(model: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    asked = LanguageModel(model, threads=1, dtype=torch.float32)
    records = [record(1), record(123456)]
    reference = AutoModelForCausalLM.from_pretrained(str(model), dtype=torch.float32)
    expected = []
    for row in records:
        ids, labels = chat.example_ids(asked.tokenizer, row, "Be kind.")
        expected.append(reference(input_ids=torch.tensor([ids]), labels=torch.tensor([labels])).loss.item())
    assert answer_losses(asked, records, "Be kind.") == pytest.approx(expected, rel=1e-4)


def test_a_text_of_one_token_has_no_loss(model: Path) -> None:
    with pytest.raises(DataError, match="single token"):
        text_losses(LanguageModel(model), ["a"])
