from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tuneloop.cli.export_command import find_run, register
from tuneloop.errors import DataError, ModelError
from tuneloop.results import Cost, TrainingReport

REPORT = TrainingReport(
    adapter="a", model="m", model_hash="h", base_hash="b", data_version="d", quantised_layers=0,
    trainable_parameters=1, total_parameters=1, steps=1, tokens_per_second=1.0, train_loss=1.0, eval_loss=None,
    losses=[], cost=Cost(seconds=1.0, peak_rss_mib=1.0),
)  # fmt: skip


def test_a_folder_of_a_finished_run_is_found_under_its_recipes_name(tmp_path: Path) -> None:
    folder = tmp_path / "models" / "desk" / "4c2e"
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(REPORT.model_dump_json())
    assert find_run(str(folder), tmp_path) == ("desk", REPORT)


def test_a_folder_without_a_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no finished training run"):
        find_run(str(tmp_path), tmp_path)


def test_a_recipe_without_a_promoted_round_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no round of desk"):
        find_run("desk", tmp_path)


def test_an_unknown_form_is_refused_by_the_command_line() -> None:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    result = CliRunner().invoke(app, ["export", "desk", "--to", "onnx"])
    assert result.exit_code == 2
    assert "onnx" in result.output
