"""The stack's MLflow server, alone: its command, its login."""

from __future__ import annotations

import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tuneloop.stack.environment import process_environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.local_ports import free_port
from tuneloop.stack.services import mlflow_server
from tuneloop.stack.state import StackState, new_state

START_SECONDS = 120


@contextmanager
def running_mlflow(folder: Path) -> Iterator[tuple[StackState, subprocess.Popen[bytes]]]:
    """The server's address and login, and its process; it ends with the block."""
    layout = Layout(root=folder, workspace=folder / "workspace")
    layout.create()
    state = replace(new_state(), ports={"mlflow": free_port()})
    service = mlflow_server(layout, state)
    with (folder / "mlflow.log").open("w") as log:
        process = subprocess.Popen(
            service.command,
            env=process_environment(os.environ, service.environment),
            cwd=service.directory,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(str(service.probe), folder / "mlflow.log", process)
        yield state, process
    finally:
        process.kill()
        process.wait(20)


def _wait(probe: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(probe, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise RuntimeError(log.read_text())
