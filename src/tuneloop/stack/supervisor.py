"""Talk to supervisor: start it, hand it a configuration, start and stop services."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from xmlrpc.client import Fault, ServerProxy

from tuneloop.errors import ServiceError
from tuneloop.stack.environment import MARKER, marker, process_environment
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import is_running

START_TIMEOUT_SECONDS = 20.0
ALIVE_STATES = frozenset({"STARTING", "RUNNING", "BACKOFF", "STOPPING"})


@dataclass(frozen=True, slots=True)
class ProcessState:
    """One service as supervisor sees it. `state` is its word (RUNNING, BACKOFF, FATAL...), `since` a Unix time."""

    name: str
    state: str
    pid: int | None
    since: float | None
    problem: str

    @property
    def is_alive(self) -> bool:
        return self.state in ALIVE_STATES


class Supervisor:
    """The supervisor of one workspace."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def is_alive(self) -> bool:
        """Whether it answers on its socket."""
        try:
            self._call("getState")
        except (ConnectionError, FileNotFoundError, http.client.HTTPException):
            return False
        return True

    def start(self, base_environment: Mapping[str, str]) -> None:
        """Start it in the background from the configuration file; waits until it answers.

        Raises:
            ServiceError: it ended or stayed silent; the message quotes what it said.
        """
        self._layout.socket.unlink(missing_ok=True)
        variables = process_environment(base_environment, {MARKER: marker("supervisor", self._layout)})
        command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._layout.supervisor_config)]
        started = subprocess.run(
            command,
            env=variables,
            cwd=self._layout.workspace,
            umask=0o077,  # it opens its own log before it sets the one that its configuration names
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if started.returncode != 0 or not _becomes(self.is_alive, START_TIMEOUT_SECONDS):
            raise ServiceError(
                "supervisor did not start: "
                f"{(started.stderr or started.stdout).strip() or self._layout.log_file('supervisor')}"
            )

    def take_configuration(self) -> set[str]:
        """Read the file again; services whose section changed are stopped and come back unstarted. Returns them."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)
        return {str(name) for name in (*changed, *removed)}

    def states(self) -> dict[str, ProcessState]:
        return {p.name: p for p in (_process_state(info) for info in self._call("getAllProcessInfo"))}

    def start_service(self, name: str) -> None:
        """Start it unless it has been; does not wait."""
        _forgive("ALREADY_STARTED", lambda: self._call("startProcess", name, False))

    def stop_services(self, names: Collection[str]) -> None:
        """Stop all of them at the same time and wait for the slowest; supervisor itself kills the stubborn."""
        for name in names:
            _forgive("NOT_RUNNING", lambda name=name: self._call("stopProcess", name, False))  # type: ignore[misc]
        _becomes(lambda: not any(s.is_alive for n, s in self.states().items() if n in names), 60)

    def shutdown(self) -> None:
        """Stop everything that is left, and supervisor itself."""
        pid = int(self._call("getPID"))
        self._call("shutdown")
        _becomes(lambda: not is_running(pid), 60)

    def _call(self, method: str, *arguments: Any) -> Any:
        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(serverurl=f"unix://{self._layout.socket}")
        try:
            # The host name is never looked up: the transport goes through the socket.
            return getattr(ServerProxy("http://localhost", transport=transport).supervisor, method)(*arguments)
        finally:
            transport.close()


def main_pids(states: Mapping[str, ProcessState]) -> dict[str, int | None]:
    """Per service the process that supervisor looks after."""
    return {name: process.pid for name, process in states.items()}


def _process_state(info: Mapping[str, Any]) -> ProcessState:
    return ProcessState(
        name=str(info["name"]),
        state=str(info["statename"]),
        pid=int(info["pid"]) or None,
        since=float(info["start"]) or None,
        problem=str(info["spawnerr"]),
    )


def _forgive(fault: str, action: Callable[[], object]) -> None:
    try:
        action()
    except Fault as error:
        if not error.faultString.startswith(fault):
            raise ServiceError(f"supervisor refused: {error.faultString}") from error


def _becomes(condition: Callable[[], bool], timeout_seconds: float) -> bool:
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
