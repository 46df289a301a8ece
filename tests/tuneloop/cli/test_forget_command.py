"""The command says what it found without a word of it, asks, and refuses while something is at work."""

import json
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from tests.tuneloop.lineage.lineage_examples import SECRET, make_workspace
from tuneloop.cli import forget_command
from tuneloop.cli.app import PlainErrors
from tuneloop.stack.environment import MARKER

WORDS = "Anna Berg"


@pytest.fixture
def workspace(tmp_path):
    make_workspace(tmp_path / "ws")
    return tmp_path / "ws"


def run(workspace, *arguments, typed=""):
    app = typer.Typer(cls=PlainErrors)
    forget_command.register(app)
    app.command("other")(lambda: None)  # else typer takes the only command for the program itself
    variables = {"TUNELOOP_WORKSPACE": str(workspace), "TUNELOOP_ROOT": str(workspace.parent)}
    return CliRunner().invoke(app, ["forget", *arguments], env=variables, input=typed)


def holds(workspace):
    return [
        p for p in workspace.rglob("*") if p.is_file() and p.suffix != ".parquet" and WORDS in p.read_text("latin-1")
    ]


def test_the_command_explains_itself(workspace):
    result = run(workspace, "--help")
    assert result.exit_code == 0
    assert "at least 4 characters" in " ".join(result.output.split())


def test_a_dry_run_names_places_models_and_counts_but_no_word_and_changes_nothing(workspace):
    before = holds(workspace)

    result = run(workspace, WORDS, "--dry-run")

    assert result.exit_code == 0, result.output
    assert "traffic" in result.output
    assert "cannot forget: desk round 3" in result.output
    assert "Ring" not in result.output
    assert WORDS not in result.output
    assert holds(workspace) == before


def test_it_asks_and_without_a_yes_nothing_is_erased(workspace):
    before = holds(workspace)
    assert run(workspace, WORDS, typed="n\n").exit_code == 1
    assert holds(workspace) == before
    assert run(workspace, WORDS, typed="y\n").exit_code == 0
    assert holds(workspace) == []


def test_words_can_come_from_standard_input_where_no_history_keeps_them(workspace):
    assert run(workspace, "-", "--yes", typed=f"{SECRET}\n").exit_code == 0
    assert holds(workspace) == []


def test_what_is_nowhere_is_no_failure(workspace):
    result = run(workspace, "Nobody Atall", "--yes")
    assert result.exit_code == 0
    assert "nothing in" in result.output


def test_json_needs_no_question(workspace):
    assert run(workspace, WORDS, "--json").exit_code == 2
    found = json.loads(run(workspace, WORDS, "--json", "--dry-run").output)
    assert found["places"]["traffic"] == 2
    assert {model["round"] for model in found["models"]} == {1, 2, 3}


def test_while_the_stack_is_up_nothing_is_erased(workspace):
    program = "import time; print('up', flush=True); time.sleep(60)"
    variables = {MARKER: f"prefect@{workspace}"}
    with subprocess.Popen([sys.executable, "-c", program], env=variables, stdout=subprocess.PIPE) as service:
        try:
            assert service.stdout.readline() == b"up\n"
            result = run(workspace, WORDS, "--yes")
            assert run(workspace, WORDS, "--dry-run").exit_code == 0
        finally:
            service.kill()
    assert result.exit_code == 1
    assert "tuneloop down" in result.output
    assert holds(workspace)


def test_a_workspace_that_is_not_there_is_named(tmp_path):
    result = run(tmp_path / "nowhere", WORDS, "--yes")
    assert result.exit_code == 1
    assert "nowhere" in result.output


@pytest.mark.parametrize("word", ["train", "submitted", "rows", "PROMPT"])
def test_words_that_files_are_written_in_are_refused(workspace, word):
    result = run(workspace, word, "--yes")
    assert result.exit_code == 1
    assert "give more of the text" in result.output


def test_a_request_that_has_not_ended_is_pointed_out(workspace):
    (workspace / "forgotten.jsonl").write_text('{"kind": "begun", "mark": "x", "at": "2026-11-01", "models": []}\n')
    assert "of 2026-11-01, has not ended" in run(workspace, WORDS, "--dry-run").output
