from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.tuneloop.stack.backup.workspaces import a_workspace
from tuneloop.cli.app import app


@pytest.fixture
def tuneloop(tmp_path):
    def run(workspace, *arguments):
        return CliRunner().invoke(app, arguments, env={"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": workspace})

    return run


def test_a_workspace_moves_by_two_commands(tuneloop, tmp_path):
    layout = a_workspace(tmp_path)
    saved = tuneloop("ws", "backup", str(tmp_path / "b.tar"))
    assert (saved.exit_code, f"{tmp_path / 'b.tar'}: " in saved.stdout) == (0, True), saved.output
    restored = tuneloop("ws2", "restore", str(tmp_path / "b.tar"))
    assert (restored.exit_code, "tuneloop up" in restored.stdout) == (0, True), restored.output
    assert (tmp_path / "ws2/signing.key").read_text() == (layout.workspace / "signing.key").read_text()


def test_what_goes_wrong_is_one_sentence(tuneloop, tmp_path):
    for arguments in (("backup", "b.tar"), ("restore", str(tmp_path / "none.tar"))):
        result = tuneloop("ws", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: there is no ")


def test_a_workspace_that_is_there_is_not_overwritten_by_accident(tuneloop, tmp_path):
    a_workspace(tmp_path)
    tuneloop("ws", "backup", str(tmp_path / "b.tar"))
    result = tuneloop("ws", "restore", str(tmp_path / "b.tar"))
    assert (result.exit_code, "--replace" in result.stderr) == (1, True)
