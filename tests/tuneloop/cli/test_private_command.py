from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
import yaml
from click.testing import Result
from typer.testing import CliRunner

from tests.tuneloop.evaluation.private_rows import a_record, a_report, a_use
from tuneloop.cli import private_command
from tuneloop.cli.app import PlainErrors
from tuneloop.evaluation.private_uses import UseLedger

Run = Callable[..., Result]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "ws"


@pytest.fixture
def tuneloop(tmp_path: Path) -> Run:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)
    private_command.register(app)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(
            app, ["private", *arguments], env={"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"}
        )

    return run


def test_the_command_explains_itself(tuneloop: Run) -> None:
    result = tuneloop("--help")
    assert result.exit_code == 0
    assert "private: true" in result.output


def test_registering_the_command_imports_nothing_heavy() -> None:
    code = (
        "import sys, typer; from tuneloop.cli import private_command; private_command.register(typer.Typer())\n"
        "print([m for m in ('pydantic', 'pyarrow', 'torch', 'rich.table') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_before_the_first_use_it_says_where_to_read(tuneloop: Run) -> None:
    result = tuneloop()
    assert result.exit_code == 0
    assert "docs/private-test.md" in result.output
    assert json.loads(tuneloop("desk", "--json").output) == []


def test_every_use_is_listed_with_who_what_and_why(tuneloop: Run, workspace: Path) -> None:
    ledger = UseLedger.of(workspace, "desk")
    ledger.log(a_use("aaaaaaaaaaaaaaaa", model="round 1", flow_run_id="flow-1"))

    output = tuneloop().output

    assert "desk: 5 private rows" in output
    assert "1 model scored" in output
    for told in ("retraining-cycle", "round 1", "aaaaaaaaaaaa", "v1", "report", "flow-1"):
        assert told in output
    assert "aaaaaaaaaaaaa" not in output, "hashes are cut"
    assert "Warning" not in output


def test_two_candidates_before_a_promotion_are_warned_of_with_the_size(tuneloop: Run, workspace: Path) -> None:
    ledger = UseLedger.of(workspace, "desk")
    ledger.log(a_use("m1"))
    ledger.log(a_use("m2"))
    folder = workspace / "private-uses" / "desk"
    folder.mkdir()
    (folder / "one.json").write_text(a_report(0.4, 0.6).model_dump_json())

    (found,) = json.loads(tuneloop("desk", "--json").output)

    assert (found["models"], found["compared_before_promotion"], len(found["uses"])) == (2, 2, 2)
    assert "2 candidates" in found["warnings"][0]
    assert "rouge_l 0.060" in found["warnings"][1]
    assert "sketch" not in json.dumps(found)
    assert f"Warning: {found['warnings'][1]}" in tuneloop("desk").output


def test_sets_of_other_rows_and_recipes_are_listed_apart(tuneloop: Run, workspace: Path) -> None:
    for recipe in ("desk", "faq"):
        UseLedger.of(workspace, recipe).log(a_use(recipe=recipe))
    UseLedger.of(workspace, "desk").log(a_use("m2", [a_record(i) for i in range(50, 53)]))

    found = json.loads(tuneloop("--json").output)

    assert [(f["recipe"], f["rows"], f["models"]) for f in found] == [("desk", 5, 1), ("desk", 3, 1), ("faq", 5, 1)]
    assert [f["recipe"] for f in json.loads(tuneloop("faq", "--json").output)] == ["faq"]


def test_a_recipe_file_shows_rules_that_name_a_private_metric(tuneloop: Run, workspace: Path, tmp_path: Path) -> None:
    UseLedger.of(workspace, "desk").log(a_use())
    recipe = {
        "name": "desk",
        "data": {"sources": [{"name": "pool", "path": "x"}, {"name": "vault", "path": "y", "private": True}]},
        "model": {"base": "none", "max_tokens": 50},
        "evaluation": {"rules": [{"metric": "private_rouge_l"}]},
    }
    (tmp_path / "desk.yaml").write_text(yaml.safe_dump(recipe))

    output = tuneloop(str(tmp_path / "desk.yaml")).output

    assert "a rule of the gate names private_rouge_l" in output
    assert "a rule of the gate" not in tuneloop("desk").output


def test_a_damaged_ledger_is_one_message(tuneloop: Run, workspace: Path) -> None:
    ledger = UseLedger.of(workspace, "desk")
    ledger.log(a_use())
    ledger.file.write_text("{\n")

    result = tuneloop()

    assert result.exit_code == 1
    assert result.output.startswith("error: line 1 of")
