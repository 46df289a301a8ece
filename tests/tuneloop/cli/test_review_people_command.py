"""What needs no server; adapters/test_argilla_teams_live.py has the rest."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tuneloop.cli.app import app


@pytest.fixture
def tuneloop(tmp_path):
    environment = {"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws"}

    def run(*arguments, **more):
        return CliRunner().invoke(app, ["review", *arguments], env=environment | more)

    return run


@pytest.mark.parametrize("command", ["invite", "people", "remove"])
def test_every_command_explains_itself(tuneloop, command):
    result = tuneloop(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


@pytest.mark.parametrize("arguments", [("invite", "robin"), ("people",), ("people", "--json")])
def test_names_and_passwords_go_to_a_terminal_only_unless_forced(tuneloop, arguments):
    result = tuneloop(*arguments)
    assert result.exit_code == 1
    assert "--force" in result.output


@pytest.mark.parametrize("arguments", [("invite", "robin", "--force"), ("people", "--force"), ("remove", "robin")])
def test_without_a_stack_it_says_how_to_start_one(tuneloop, arguments):
    result = tuneloop(*arguments)
    assert result.exit_code == 1
    assert "tuneloop up" in result.output


def test_a_server_that_is_not_there_is_reported_with_advice(tuneloop):
    result = tuneloop("remove", "robin", TUNELOOP_ARGILLA_URL="http://127.0.0.1:9", TUNELOOP_ARGILLA_API_KEY="k")
    assert result.exit_code == 1
    assert "does not answer" in result.output


def test_an_address_without_a_key_is_reported(tuneloop):
    result = tuneloop("remove", "robin", TUNELOOP_ARGILLA_URL="http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "TUNELOOP_ARGILLA_API_KEY" in result.output


def test_registering_the_commands_imports_nothing_heavy():
    code = (
        "import sys, typer; from tuneloop.cli import review_people_command as c; c.register(typer.Typer())\n"
        "print([m for m in ('pydantic', 'httpx', 'argilla', 'rich.table') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
