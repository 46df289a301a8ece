"""Examine the services: whether each is healthy, whose process answers, and what is wrong."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from tuneloop.errors import ServiceError
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import descends_from, listeners, orphans
from tuneloop.stack.runs import Run, RunsOfPools, dead_runs
from tuneloop.stack.services import Service
from tuneloop.stack.starts import starts_of
from tuneloop.stack.supervisor import ProcessState

Health = Literal["healthy", "starting", "unhealthy", "failed", "stopped"]
PROBE_TIMEOUT_SECONDS = 2.0
HTTP_OK = 200


class WorkPools(RunsOfPools, Protocol):
    """What the stack needs of the Prefect server's API."""

    def ensure_work_pool(self, name: str, *, concurrency_limit: int) -> None:
        """Create the process work pool if there is none of that name; an existing one keeps its settings."""
        ...

    def has_worker_reported(self, pool: str, worker: str, *, since: float) -> bool:
        """Whether the worker has sent a sign of life after `since` (Unix time)."""
        ...


@dataclass(frozen=True, slots=True)
class DeadRun:
    """A flow run that holds a slot of its pool and has no process; `since`: when it entered its state."""

    id: str
    name: str
    state: str
    since: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`since` is when the process started, ISO 8601 in UTC. `answered_by` is the process that listens on its port.

    `restarts` are those since `up` started it, `restarted` the last of them. `problem` says why it is not healthy,
    where that is known.
    """

    name: str
    url: str | None
    pid: int | None
    health: Health
    since: str | None
    answered_by: int | None = None
    restarts: int = 0
    restarted: str | None = None
    problem: str | None = None
    dead_runs: tuple[DeadRun, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def answers(url: str, *, timeout_seconds: float = PROBE_TIMEOUT_SECONDS) -> bool:
    """Whether a GET is answered with 200 in time. Straight to the address: no proxies, no redirects."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status == HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def moment(seconds: float | None) -> str | None:
    """Unix time as ISO 8601 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


SILENCE_SECONDS = 120.0
"""Workers report every 30 s; one that has not for this long has lost its server or hangs."""
KEEPER_SILENCE_SECONDS = 60.0
"""The keeper looks every few seconds; a look takes longer while the Prefect server hangs."""

NO_SERVER = "the Prefect server does not answer, so that nobody can tell"


@dataclass(frozen=True)
class Examination:
    """Looks at services; what it looks with can be replaced."""

    layout: Layout
    pools: WorkPools
    is_answering: Callable[[str], bool] = answers
    listening: Callable[[], Mapping[int, int | None]] = listeners

    def of_all(self, services: Sequence[Service], processes: Mapping[str, ProcessState]) -> list[ServiceStatus]:
        """All at the same time, so that one that hangs does not hold up the others."""
        with ThreadPoolExecutor(len(services)) as pool:
            return list(pool.map(lambda s: self.of(s, processes.get(s.name)), services))

    def of(self, service: Service, process: ProcessState | None) -> ServiceStatus:
        """One service's status. A live process that does not answer is `starting` until it has answered once: the
        caller who knows that it has, calls it unhealthy."""
        starts = starts_of(self.layout, service.name)
        status = ServiceStatus(
            service.name, service.url, None, "stopped", None, restarts=starts.restarts, restarted=starts.last
        )
        if process is None or not process.is_alive:
            return self._of_none(service, process, status)
        status = replace(status, pid=process.pid, since=moment(process.since), health="starting")
        if service.port is not None:
            return self._of_server(service, process, status)
        if process.state != "RUNNING":
            return status
        if service.heartbeat is not None:
            return replace(status, health="healthy") if self._has_beaten(service, process) else status
        return self._of_worker(service, process, status)

    def _of_none(self, service: Service, process: ProcessState | None, status: ServiceStatus) -> ServiceStatus:
        """No process of its own; one that a killed predecessor has left still counts."""
        if left := orphans(self.layout, {service.name: None}):
            pids = ", ".join(str(p.pid) for p in left)
            status = replace(status, health="unhealthy", problem=f"does not run, but has left processes: {pids}")
        if process is None or process.state != "FATAL":
            return status
        stranger = _stranger_on(service.port, self.listening(), None)
        return replace(status, health="failed", problem=stranger or "ended each time it was started; its log says why")

    def _of_server(self, service: Service, process: ProcessState, status: ServiceStatus) -> ServiceStatus:
        """Whose process answers matters: a killed server's child, or a stranger, may hold the port."""
        listening = self.listening()
        status = replace(status, answered_by=listening.get(service.port or 0))
        if (stranger := _stranger_on(service.port, listening, process.pid)) is not None:
            return replace(status, health="unhealthy", problem=stranger)
        well = process.state == "RUNNING" and self.is_answering(service.probe or "")
        return replace(status, health="healthy") if well else status

    def _of_worker(self, service: Service, process: ProcessState, status: ServiceStatus) -> ServiceStatus:
        """What its server says of it: that it has reported lately, and that its runs have processes."""
        pool, since = service.pool or "", max(process.since or 0.0, time.time() - SILENCE_SECONDS)
        try:
            if not self.pools.has_worker_reported(pool, service.name, since=since):
                return status
            found = dead_runs(self.pools, pool, self.layout, process.since)
        except ServiceError:
            return replace(status, problem=NO_SERVER)
        return _with_dead_runs(status, found) if found else replace(status, health="healthy")

    def _has_beaten(self, service: Service, process: ProcessState) -> bool:
        since = max(process.since or 0.0, time.time() - KEEPER_SILENCE_SECONDS)
        return _modified(service.heartbeat) >= since


def _with_dead_runs(status: ServiceStatus, found: Sequence[Run]) -> ServiceStatus:
    dead = tuple(DeadRun(run.id, run.name, run.state_type, run.state_since) for run in found)
    text = ", ".join(f"{run.name} ({run.state}, since {run.since})" for run in dead)
    problem = f"flow run without a process holds a slot, and will be ended: {text}"
    return replace(status, health="unhealthy", problem=problem, dead_runs=dead)


def _stranger_on(port: int | None, listening: Mapping[int, int | None], main: int | None) -> str | None:
    """Who listens on the port, if neither the process `main` nor a descendant of it."""
    if port is None or port not in listening:
        return None
    pid = listening.get(port)
    if pid is not None and descends_from(pid, main):
        return None
    return f"port {port} is held by another process ({pid or 'of another user'})"


def _modified(file: Path | None) -> float:
    try:
        return file.stat().st_mtime if file else 0.0
    except FileNotFoundError:
        return 0.0
