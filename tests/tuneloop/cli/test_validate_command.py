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
