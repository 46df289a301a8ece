from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from tests.tuneloop.reports.examples import make_round
from tests.tuneloop.stack.building import state
from tuneloop.cli import approval_command
from tuneloop.cli.app import PlainErrors
from tuneloop.registry.rounds import save_round
from tuneloop.results import Approval
from tuneloop.stack.state import save_state

Run = Callable[..., Result]


class FakePrefect(BaseHTTPRequestHandler):
    """Takes one answer for each run, as the server does, and remembers it."""

    said: ClassVar[dict[str, Any]] = {}

    def do_GET(self):  # the CSRF token
        self.answer({"token": "t"})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path in self.said:
            return self.answer(
                {"status": "ABORT", "details": {"reason": "Cannot resume a flow run that is not paused."}}
            )
        self.said[self.path] = body["run_input"]
        return self.answer({"status": "ACCEPT", "details": {}})

    def answer(self, content):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def workspace(tmp_path: Path):
    workspace = tmp_path / "ws"
    workspace.mkdir()
    FakePrefect.said.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), FakePrefect) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        ports = state().ports | {"prefect": running.server_port}
        save_state(workspace / "stack.json", state(ports=ports))
        yield workspace
        running.shutdown()


@pytest.fixture
def tuneloop(tmp_path: Path) -> Run:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)
    approval_command.register(app)
    variables = {"TUNELOOP_ROOT": str(tmp_path), "TUNELOOP_WORKSPACE": "ws", "TUNELOOP_USER": "Ada"}
    return lambda *arguments: CliRunner().invoke(app, arguments, env=variables)


def ask(workspace: Path, number: int, **changes: Any) -> None:
    approval = Approval(flow_run_id=f"run-{number}", asked_at="2026-01-01T00:00:00+00:00", **changes)
    save_round(workspace, make_round(number, complete=False, approval=approval))


@pytest.mark.parametrize("decision", ["approve", "decline"])
def test_a_decision_goes_to_the_suspended_run_with_name_and_reason(workspace: Path, tuneloop: Run, decision) -> None:
    ask(workspace, 1, decision="decline")
    ask(workspace, 2)
    assert tuneloop(decision, "--because", "read 20").exit_code == 0
    said = {"decision": decision, "by": "Ada", "because": "read 20"}
    assert FakePrefect.said == {"/api/flow_runs/run-2/resume": said}


def test_a_second_decision_is_refused_by_the_server_and_says_so(workspace: Path, tuneloop: Run) -> None:
    ask(workspace, 1)
    tuneloop("approve", "--because", "a")
    again = tuneloop("decline", "--because", "b")
    assert again.exit_code == 1
    assert "not paused" in again.output
    assert next(iter(FakePrefect.said.values()))["decision"] == "approve"


def test_of_several_that_wait_the_round_must_be_said(workspace: Path, tuneloop: Run) -> None:
    ask(workspace, 1)
    ask(workspace, 2)
    assert "--round N" in tuneloop("approve", "--because", "a").output
    assert tuneloop("approve", "--because", "a", "--round", "1").exit_code == 0
    assert list(FakePrefect.said) == ["/api/flow_runs/run-1/resume"]


def test_nothing_that_waits_is_an_error(workspace: Path, tuneloop: Run) -> None:
    ask(workspace, 1, decision="approve")
    result = tuneloop("approve", "--because", "a")
    assert result.exit_code == 1
    assert "waits for a person" in result.output
