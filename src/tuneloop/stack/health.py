"""How the services are: what supervisor says of the process, and what the service itself answers."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol
from urllib.parse import urlsplit

from tuneloop.errors import ServiceError
from tuneloop.stack.services import Service
from tuneloop.stack.supervisor import ProcessState

Health = Literal["healthy", "starting", "unhealthy", "failed", "stopped"]
PROBE_TIMEOUT_SECONDS = 2.0
SILENCE_SECONDS = 120.0
"""Workers report every 30 s; one that has not for this long has lost its server or hangs."""
HTTP_OK = 200


class WorkPools(Protocol):
    """What the stack needs of the Prefect server's API."""

    def ensure_work_pool(self, name: str, *, concurrency_limit: int) -> None:
        """Create the process work pool if there is none of that name; an existing one keeps its settings."""
        ...

    def has_worker_reported(self, pool: str, worker: str, *, since: float) -> bool:
        """Whether the worker has sent a sign of life after `since` (Unix time)."""
        ...

    def end_dead_runs(self, pool: str, *, alive: Collection[str]) -> list[str]:
        """Mark the pool's runs that claim to run, and are not among `alive`, as crashed; returns their names."""
        ...


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """`since` is when the process started, ISO 8601 in UTC."""

    name: str
    url: str | None
    pid: int | None
    health: Health
    since: str | None

    def to_json(self) -> dict[str, str | int | None]:
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


def check(
    service: Service, process: ProcessState | None, pools: WorkPools, is_answering: Callable[[str], bool] = answers
) -> ServiceStatus:
    """One service's status. A live process that does not answer is `starting` until it has answered once: the caller
    who knows that it has, calls it unhealthy."""
    if process is None or not process.is_alive:
        failed = process is not None and process.state == "FATAL"
        return ServiceStatus(service.name, service.url, None, "failed" if failed else "stopped", None)
    well = process.state == "RUNNING" and _is_well(service, process, pools, is_answering)
    return ServiceStatus(service.name, service.url, process.pid, "healthy" if well else "starting", _iso(process.since))


def check_all(
    services: Sequence[Service], processes: Mapping[str, ProcessState], pools: WorkPools
) -> list[ServiceStatus]:
    """All at the same time, so that one that hangs does not hold up the others."""
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(lambda s: check(s, processes.get(s.name), pools), services))


def _is_well(service: Service, process: ProcessState, pools: WorkPools, is_answering: Callable[[str], bool]) -> bool:
    if service.pool is None:
        return is_answering(service.probe or "")
    try:
        since = max(process.since or 0.0, time.time() - SILENCE_SECONDS)
        return pools.has_worker_reported(service.pool, service.name, since=since)
    except ServiceError:
        return False  # the Prefect server is away: nobody can tell


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
