"""The stack's Prefect server, alone: its command, its login, its page."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx

from tuneloop.stack.environment import process_environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.local_ports import free_port
from tuneloop.stack.services import prefect_server
from tuneloop.stack.state import StackState, new_state

START_SECONDS = 180


@contextmanager
def running_prefect(folder: Path) -> Iterator[StackState]:
    """The server's address and login; it ends with the block."""
    layout = Layout(root=folder, workspace=folder / "workspace")
    layout.create()
    state = replace(new_state(), ports={"prefect": free_port()})
    service = prefect_server(layout, state)
    with (folder / "prefect.log").open("w") as log:
        process = subprocess.Popen(
            service.command,
            env=process_environment(os.environ, service.environment),
            cwd=service.directory,
            stdout=log,
            stderr=log,
        )
    try:
        _wait(str(service.probe), folder / "prefect.log", process)
        yield state
    finally:
        process.terminate()
        process.wait(60)


def _wait(probe: str, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(probe, trust_env=False).status_code in {httpx.codes.OK, httpx.codes.UNAUTHORIZED}:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise RuntimeError(log.read_text())
