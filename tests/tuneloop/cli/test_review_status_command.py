from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.tuneloop.reports.review_examples import make_summary
from tuneloop.cli import review_command, review_status_command
from tuneloop.cli.app import PlainErrors
from tuneloop.reports.review import write_review_page


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TUNELOOP_ROOT", str(tmp_path))
    app = typer.Typer(cls=PlainErrors)
    review_command.register(app)
    review_status_command.register(review_command.review_app)

    def call(*words: str) -> Result:
        return CliRunner().invoke(app, ["review", *words])

    return call


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    for name in ("desk", "tea"):
        write_review_page(tmp_path / ".tuneloop" / "feedback" / name, make_summary(recipe=name))
    return tmp_path / ".tuneloop"


def test_status_shows_every_recipe_or_the_one_that_is_asked_for(run, workspace: Path) -> None:
    everything = run("status").output
    assert everything.index("desk: 40 answers") < everything.index("tea: 40 answers")
    assert "desk: 40 answers" not in run("status", "--recipe", "tea").output


def test_status_for_programs_is_the_summary(run, workspace: Path) -> None:
    found = json.loads(run("status", "--json", "--recipe", "desk").output)
    assert found == [make_summary().model_dump(mode="json")]


def test_report_tells_where_the_page_is(run, workspace: Path) -> None:
    (line,) = run("report", "--recipe", "tea").output.split()
    assert Path(line) == workspace / "feedback" / "tea" / "review.html"
    assert Path(line).is_file()


def test_before_anything_was_collected_one_is_told_what_to_do(run) -> None:
    result = run("status", "--recipe", "tea")
    assert result.exit_code == 1
    assert "no answers of tea have been collected" in result.output
    assert "tuneloop run RECIPE" in result.output
