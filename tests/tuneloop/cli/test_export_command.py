from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.tuneloop.registry.registered import RecordingBackend
from tests.tuneloop.reports.examples import make_round
from tuneloop.cli.export_command import find_run, register, require_sealed
from tuneloop.errors import DataError, ModelError
from tuneloop.files import file_digests
from tuneloop.registry.rounds import save_round
from tuneloop.results import Cost, TrainingReport

REPORT = TrainingReport(
    adapter="a", model="m", model_hash="h", base_hash="b", data_version="d", quantised_layers=0,
    trainable_parameters=1, total_parameters=1, steps=1, tokens_per_second=1.0, train_loss=1.0, eval_loss=None,
    losses=[], cost=Cost(seconds=1.0, peak_rss_mib=1.0),
)  # fmt: skip


def nobody(_: str) -> None:
    """A registry without a champion."""


def test_a_folder_of_a_finished_run_is_found_under_its_recipes_name(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "desk" / "4c2e"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(REPORT.model_dump_json())
    assert find_run(str(folder), tmp_path, nobody) == ("desk", REPORT)


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no finished training run"):
        find_run(str(tmp_path), tmp_path, nobody)


def test_a_recipe_is_exported_as_its_champion_and_not_as_the_last_round_that_passed(tmp_path: Path) -> None:
    for number in (1, 2):
        example = make_round(number)
        training = example.training.model_copy(update={"model_hash": f"hash-{number}"})
        save_round(tmp_path, example.model_copy(update={"training": training}))
    champion = {"version": "1", "model_hash": "hash-1"}
    assert find_run("desk", tmp_path, lambda _: champion)[1].model_hash == "hash-1"
    with pytest.raises(DataError, match="version 9, the champion of desk, is not in"):
        find_run("desk", tmp_path, lambda _: {"version": "9", "model_hash": "hash-9"})


def test_a_recipe_without_a_champion_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="desk has no champion yet"):
        find_run("desk", tmp_path, nobody)


def test_a_run_that_was_judged_leaves_the_house_as_it_was_judged_only(tmp_path: Path) -> None:
    round_ = RecordingBackend(tmp_path).judged(1)
    require_sealed(tmp_path, "desk", round_.training, file_digests)
    (Path(round_.training.model) / "modeling.py").write_text("import os")
    with pytest.raises(ModelError, match=r"round 1 of desk judged: served: modeling.py was added"):
        require_sealed(tmp_path, "desk", round_.training, file_digests)
    require_sealed(tmp_path, "desk", REPORT, file_digests)  # a run by hand, that no round judged


def test_an_unknown_form_is_refused_by_the_command_line() -> None:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["export", "desk", "--to", "onnx"])
    assert result.exit_code == 2
    assert "onnx" in result.output
