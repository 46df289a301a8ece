from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal, get_args

import pytest
import typer
from typer.testing import CliRunner, Result

from tuneloop.cli import validate_command
from tuneloop.cli.validate_command import register
from tuneloop.cli.wiring import VALIDATOR, project_root
from tuneloop.errors import ServiceError
from tuneloop.recipes import Checks, Cleaning, Source
from tuneloop.settings import Settings

HEAVY = ("pandas", "numpy", "great_expectations", "spacy", "torch", "expectations", "tuneloop.data", "tuneloop.recipes")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TUNELOOP_ROOT", raising=False)
    return tmp_path


def invoke(*arguments: str) -> Result:
    app = typer.Typer()
    register(app)
    app.callback()(lambda: None)
    return CliRunner().invoke(app, ["validate", *arguments])


def with_expectations(folder: Path) -> Path:
    (folder / "expectations").mkdir(parents=True)
    (folder / "expectations" / "validating.py").touch()
    return folder


def test_a_file_that_is_not_there_is_no_finding() -> None:
    result = invoke("rows.jsonl")

    assert (result.exit_code, result.stderr) == (2, "error: there is no file rows.jsonl\n")


def test_a_wrong_path_is_told_before_anything_heavy_is_imported() -> None:
    program = (
        "import sys\n"
        "from tuneloop.cli.app import app\n"
        "try: app(['validate', 'rows.jsonl'])\n"
        f"finally: print([m for m in {HEAVY} if m in sys.modules], file=sys.stdout)\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (2, "error: there is no file rows.jsonl\n")
    assert ended.stdout == "[]\n"


@pytest.mark.parametrize(
    "make", [lambda f: (f / "bad.json").write_text("[" * 1000), lambda f: (f / "bad.json").mkdir()]
)
def test_what_cannot_be_read_is_told_before_the_check_is_started(
    make: typer.models.CommandFunctionType, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(validate_command, "_check", None)
    make(folder)

    result = invoke("bad.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "bad.json" in result.stderr


def test_a_file_that_an_option_names_is_the_options_own_business(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate_command, "_check", lambda *_, **__: 0)
    (folder / "bad.json").write_text("[" * 1000)
    (folder / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')

    assert invoke("rows.jsonl", "--clean-out", "bad.json", "--report", "/dev/null").exit_code == 0


def test_the_settings_root_is_where_expectations_are_looked_for_first(folder: Path) -> None:
    assert project_root(Settings(root=with_expectations(folder / "project"))) == folder / "project"


def test_outside_a_project_the_checkout_that_is_installed_is_used(folder: Path) -> None:
    (folder / "expectations").mkdir()  # that of another program

    assert (project_root(Settings()) / "expectations" / "data_docs.py").is_file()


def test_without_a_project_the_message_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneloop.__file__", str(folder / "site-packages" / "tuneloop" / "__init__.py"))

    with pytest.raises(ServiceError, match=r"no expectations/validating\.py in .*set TUNELOOP_ROOT"):
        project_root(Settings())


def test_the_validator_is_the_module_that_the_project_has(folder: Path) -> None:
    module = Path(*VALIDATOR.split(".")).with_suffix(".py")

    assert "class SuiteValidator" in (project_root(Settings()) / module).read_text()


def test_the_choices_are_those_of_recipes() -> None:
    def choices(model: type[Checks | Source], name: str) -> tuple[str, ...]:
        return get_args(model.model_fields[name].annotation)

    assert tuple(validate_command.Cleaning) == get_args(Cleaning)
    assert get_args(validate_command.Format) == choices(Source, "format")
    assert get_args(validate_command.Policy) == choices(Checks, "pii_policy")
    assert validate_command.Suite == Literal["sft", "preference", "feedback", "traffic"]
