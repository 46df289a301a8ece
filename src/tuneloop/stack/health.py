"""What is said of a service's health, and the simplest question: does it answer?"""

from __future__ import annotations

import http.client
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from tuneloop.stack.runs import RunsOfPools

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
