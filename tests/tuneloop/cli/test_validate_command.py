from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tuneloop.cli.validate_command import project_of, register, run_check
from tuneloop.errors import ServiceError

PROGRAM = """
import json, os, sys
print(json.dumps([sys.argv[1:], os.getcwd(), os.environ["TUNELOOP_ROOT"]]))
sys.exit(int(sys.argv[1]) if sys.argv[1].isdigit() else 0)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose expectations only repeat what they were told."""
    folder = tmp_path / "project" / "expectations" / "alone"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text(PROGRAM)
    return tmp_path / "project"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def invoke(*arguments: str) -> int:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["validate", *arguments]).exit_code


def test_arguments_are_passed_on_and_paths_start_where_the_user_stands(
    root: Path, elsewhere: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_check(["rows.jsonl", "--json", "--column", "prompt=text"], root=root) == 0

    told = [["rows.jsonl", "--json", "--column", "prompt=text"], str(elsewhere), str(root)]
    assert json.loads(capfd.readouterr().out) == told


@pytest.mark.parametrize("code", [0, 1, 2])
def test_the_exit_code_is_passed_on(root: Path, code: int) -> None:
    assert run_check([str(code)], root=root) == code


def test_a_folder_of_the_same_name_does_not_win_over_the_projects(root: Path, elsewhere: Path) -> None:
    (elsewhere / "expectations" / "alone").mkdir(parents=True)
    (elsewhere / "expectations" / "__init__.py").touch()

    assert run_check(["1"], root=root) == 1


def test_without_a_project_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="set TUNELOOP_ROOT"):
        run_check([], root=tmp_path)


def test_the_command_passes_on_options_it_does_not_know(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNELOOP_ROOT", str(root))

    assert invoke("1", "--help", "--fail-on", "warn", "--fail-on=block") == 1
    assert json.loads(capfd.readouterr().out)[0] == ["1", "--help", "--fail-on", "warn", "--fail-on=block"]


def test_outside_a_project_the_checkout_that_is_installed_is_used(root: Path, tmp_path: Path) -> None:
    assert project_of(root) == root
    assert (project_of(tmp_path) / "expectations" / "alone").is_dir()


def test_a_file_that_is_not_there_is_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    assert invoke("rows.jsonl") == 2


def test_what_cannot_be_read_is_told_before_the_check_is_started(
    root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TUNELOOP_ROOT", str(root))
    (elsewhere / "bad.json").write_text("[" * 1000)

    assert invoke("bad.json") == 2
    assert capfd.readouterr().out == ""


def test_a_file_that_an_option_names_is_the_options_own_business(
    root: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNELOOP_ROOT", str(root))
    (elsewhere / "bad.json").write_text("[" * 1000)

    assert invoke("0", "--clean-out", "bad.json", "--report", "/dev/null") == 0


def test_a_check_that_was_killed_names_the_file_and_the_signal(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNELOOP_ROOT", str(root))
    (root / "expectations/alone/__main__.py").write_text("import os; os.kill(os.getpid(), 9)")
    (root / "a.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)

    ended = CliRunner().invoke(app, ["validate", str(root / "a.jsonl")])

    assert ended.exit_code == 2
    assert f"the check of {root / 'a.jsonl'} was ended by SIGKILL" in ended.output
