from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from tests.tuneloop.adapters.file_backend.filling import FORM, fill, item
from tuneloop.adapters.file_backend import FileBackend
from tuneloop.cli import review_files_command
from tuneloop.cli.app import PlainErrors
from tuneloop.pseudonyms import pseudonym_key

Run = Callable[..., Result]


@pytest.fixture
def tuneloop(tmp_path: Path) -> Run:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)
    review_files_command.register(app)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, env={"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"})

    return run


@pytest.fixture
def backend(tmp_path: Path) -> FileBackend:
    backend = FileBackend(tmp_path / "ws/review-files/tea", pseudonym_key=pseudonym_key(tmp_path / "ws"))
    backend.publish("tea-round-1", [item(1), item(2)], FORM)
    return backend


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    return write_recipe(tmp_path, "files")


def write_recipe(folder: Path, backend: str) -> str:
    data = {"sources": [{"name": "rows", "path": "rows.jsonl"}]}
    content = {"name": "tea", "data": data, "model": {"base": "x"}, "review": {"backend": backend}}
    (folder / "tea.yaml").write_text(yaml.safe_dump(content))
    return str(folder / "tea.yaml")


def test_export_says_where_the_sheets_are_and_makes_copies(tuneloop: Run, recipe: str, backend: FileBackend) -> None:
    said = tuneloop("export", recipe, "--reviewer", "Anna", "--reviewer", "Bob").output
    assert "tea-round-1  0 of 2 records reviewed" in said
    for name in ("tea-round-1.xlsx", "tea-round-1.csv", "tea-round-1.jsonl", "copies/tea-round-1-anna.xlsx"):
        assert name in said


def test_export_of_a_recipe_that_is_reviewed_in_argilla_says_what_to_do(tuneloop: Run, tmp_path: Path) -> None:
    result = tuneloop("export", write_recipe(tmp_path, "argilla"))
    assert result.exit_code == 1
    assert "backend: files" in result.output


def test_import_counts_names_bad_cells_and_fails_while_there_are_any(
    tuneloop: Run, tmp_path: Path, backend: FileBackend
) -> None:
    sheet = tmp_path / "ws/review-files/tea/tea-round-1.csv"
    bad = fill(sheet, {1: {"rating": 4}, 2: {"rating": 9}})
    result = tuneloop("import", str(bad), "--reviewer", "Anna")
    assert result.exit_code == 1
    assert "row 3, rating: '9' is none of 1, 2, 3, 4, 5" in result.output
    assert "1 new answers" in result.output
    assert "collected when it is up again" in result.output
    good = tuneloop("import", str(fill(sheet, {1: {"rating": 4}, 2: {"rating": 2}})), "--reviewer", "Anna")
    assert good.exit_code == 0
    assert "1 new answers, 0 changed, 1 as before; 0 rows are still empty" in good.output


def test_a_file_of_no_set_is_refused(tuneloop: Run, tmp_path: Path, backend: FileBackend) -> None:
    (tmp_path / "other.csv").write_text("item,rating\nfaq-round-1/x,4\n")
    result = tuneloop("import", str(tmp_path / "other.csv"), "--reviewer", "Anna")
    assert result.exit_code == 1
    assert "belongs to no review set" in result.output
