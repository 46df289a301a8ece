import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from tuneloop import __version__
from tuneloop.cli.app import app
from tuneloop.stack.services import SERVICE_NAMES
from tuneloop.stack.state import new_state, save_state

SERVERS = ("up", "down", "status", "logs", "secrets", "deploy", "backup", "restore")
LOOP = ("run", "validate-recipe", "report", "data", "train", "search", "export", "models", "reproduce", "private")
COMMANDS = (*SERVERS, *LOOP)
RECIPE = "name: tiny\ndata: {sources: [{name: s, path: rows.jsonl}]}\nmodel: {base: x}\n"


@pytest.fixture
def tuneloop(tmp_path):
    """Runs the command in an empty project."""

    def run(*arguments):
        return CliRunner().invoke(
            app,
            arguments,
            env={
                "TUNELOOP_ROOT": str(tmp_path),
                "TUNELOOP_WORKSPACE": "ws",
                "TUNELOOP_ARGILLA_BIN": str(tmp_path / "none"),
            },
        )

    return run


@pytest.fixture
def known_stack(tmp_path):
    """A workspace that has been started once."""
    (tmp_path / "ws").mkdir()
    ports = {"prefect": 20001, "mlflow": 20002, "argilla": 20003, "argilla-valkey": 20004, "webhooks": 20005}
    state = new_state().with_ports(ports)
    save_state(tmp_path / "ws" / "stack.json", state)
    return state


def test_the_help_names_every_command_and_how_to_start(tuneloop):
    result = tuneloop("--help")
    assert result.exit_code == 0
    assert all(command in result.output for command in COMMANDS)
    assert "tuneloop up" in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tuneloop, command):
    result = tuneloop(command, "--help")
    assert result.exit_code == 0
    assert len(result.output) > 150


def test_the_version_is_printed(tuneloop):
    assert tuneloop("--version").output.strip() == __version__


def test_asking_for_help_imports_nothing_heavy():
    code = (
        "import sys; from tuneloop.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'prefect', 'mlflow', 'httpx', 'pydantic', 'rich.live') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONPATH": ":".join(sys.path)}
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_an_error_of_the_users_is_one_message_with_exit_code_1(tuneloop):
    result = tuneloop("up")
    assert result.exit_code == 1
    assert "make setup" in result.output
    assert "Traceback" not in result.output


def test_the_status_of_a_stack_that_never_ran_is_json_and_exit_code_1(tuneloop):
    result = tuneloop("status", "--json")
    assert result.exit_code == 1
    assert [(s["name"], s["health"]) for s in json.loads(result.output)] == [(n, "stopped") for n in SERVICE_NAMES]


def test_the_status_is_a_table_for_people(tuneloop, known_stack):
    result = tuneloop("status")
    assert result.exit_code == 1
    assert "http://127.0.0.1:20001" in result.output.replace("\n", "")


def test_stopping_what_does_not_run_is_no_error(tuneloop):
    assert tuneloop("down").exit_code == 0


def test_secrets_are_not_printed_into_a_pipe(tuneloop, known_stack):
    result = tuneloop("secrets")
    assert result.exit_code == 1
    assert known_stack.argilla_password not in result.output
    assert "--force" in result.output


def test_secrets_are_printed_when_that_is_really_wanted(tuneloop, known_stack):
    result = tuneloop("secrets", "--force")
    known = known_stack
    for secret in (known.prefect_auth, known.argilla_password, known.argilla_api_key, known.mlflow_password):
        assert secret in result.output


def test_secrets_of_a_stack_that_never_ran_are_an_error(tuneloop):
    result = tuneloop("secrets", "--force")
    assert result.exit_code == 1
    assert "tuneloop up" in result.output


def test_logs_show_the_last_lines_of_one_service_or_of_all(tuneloop, tmp_path):
    (tmp_path / "ws" / "logs").mkdir(parents=True)
    (tmp_path / "ws" / "logs" / "mlflow.log").write_text("one\ntwo\nthree\n")
    assert tuneloop("logs", "mlflow", "-n", "2").output == "two\nthree\n"
    assert tuneloop("logs", "-n", "1").output == "mlflow          | three\n"


def test_logs_of_an_unknown_service_are_an_error_that_names_the_known_ones(tuneloop):
    result = tuneloop("logs", "postgres")
    assert result.exit_code == 1
    assert "worker-training" in result.output


def test_sound_recipes_are_ok(tuneloop, tmp_path):
    (tmp_path / "a.yaml").write_text(RECIPE)
    result = tuneloop("validate-recipe", str(tmp_path / "a.yaml"))
    assert (result.exit_code, "OK" in result.output) == (0, True)


def test_one_wrong_recipe_fails_the_check_but_the_others_are_still_read(tuneloop, tmp_path):
    (tmp_path / "a.yaml").write_text(RECIPE)
    (tmp_path / "b.yaml").write_text(RECIPE + "surprise: 1\n")
    result = tuneloop("validate-recipe", str(tmp_path / "b.yaml"), str(tmp_path / "a.yaml"))
    assert result.exit_code == 1
    assert "surprise" in result.output
    assert "OK" in result.output


def test_running_a_recipe_that_is_not_there_starts_nothing(tuneloop, tmp_path):
    result = tuneloop("run", "none.yaml")
    assert result.exit_code == 1
    assert "no recipe at none.yaml" in result.output
    assert not (tmp_path / "ws").exists()


def test_a_report_without_rounds_says_how_to_get_one(tuneloop):
    result = tuneloop("report")
    assert result.exit_code == 1
    assert "tuneloop run" in result.output
