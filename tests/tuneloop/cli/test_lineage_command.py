from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.tuneloop.lineage.lineage_examples import CORRECTED, HASHES, REVIEWER, SECRET, make_workspace
from tuneloop.cli import lineage_command
from tuneloop.cli.app import PlainErrors

Lineage = Callable[..., Result]


@pytest.fixture
def lineage(tmp_path: Path) -> Lineage:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)
    lineage_command.register(app)

    def run(*arguments: str) -> Result:
        environment = {"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"}
        return CliRunner().invoke(app, ["lineage", *arguments], env=environment)

    return run


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path / "ws")
    return tmp_path / "ws"


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize(
    "question", [["12"], ["--round", "2"], ["--model-hash", "bbbbbb"], ["--answer", "t1"], ["12", "--recipe", "desk"]]
)
def test_a_model_is_told_by_any_of_its_names(lineage: Lineage, question: list[str]) -> None:
    result = lineage(*question, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["model"]["model_hash"] == HASHES[2]
    tree = lineage(*question, "--rows")
    assert CORRECTED in tree.output
    assert SECRET not in tree.output


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("question", [["--row", CORRECTED], ["--reviewer", REVIEWER], ["--source", "ffff"]])
def test_a_row_a_reviewer_and_a_source_lead_to_models(lineage: Lineage, question: list[str]) -> None:
    result = lineage(*question)
    assert result.exit_code == 0, result.output
    assert "desk round 3, version 13" in result.output
    assert SECRET not in result.output
    assert [m["round"] for m in json.loads(lineage(*question, "--json").stdout)["found"][-1]["models"]] == [2, 3]


@pytest.mark.usefixtures("workspace")
def test_a_row_that_no_model_learned_from_is_said_so(lineage: Lineage) -> None:
    assert "none of them learned from it" in lineage("--row", "r2").output
    assert "set aside (no model saw it)" in lineage("--row", "r7").output


@pytest.mark.usefixtures("workspace")
@pytest.mark.parametrize("question", [[], ["12", "--round", "2"], ["--row", "r1", "--reviewer", REVIEWER]])
def test_no_question_or_two_are_refused(lineage: Lineage, question: list[str]) -> None:
    result = lineage(*question)
    assert result.exit_code == 2
    assert "give one of" in result.output


@pytest.mark.usefixtures("workspace")
def test_the_model_of_an_answer_that_no_round_made_is_named(lineage: Lineage) -> None:
    result = lineage("--answer", "t2")
    assert result.exit_code == 1
    assert "another-server" in result.output


def test_the_base_model_is_said_to_be_trained_by_nobody_here(lineage: Lineage, workspace: Path) -> None:
    file = workspace / "rounds" / "desk" / "0001.json"
    round_ = json.loads(file.read_text())
    file.write_text(json.dumps(round_ | {"training": round_["training"] | {"base_hash": "e" * 64}}))
    result = lineage("--model-hash", "eeeeeeee")
    assert result.exit_code == 1
    assert "eeeeeeee is the base model of desk" in result.output


def test_without_rounds_it_says_how_to_make_one(lineage: Lineage) -> None:
    result = lineage("1")
    assert result.exit_code == 1
    assert "tuneloop run" in result.output
