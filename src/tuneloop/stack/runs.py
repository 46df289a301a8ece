"""Flow runs that claim to run although their process is gone: each holds a slot of its work pool."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import living_flow_runs

STARTING_SECONDS = 120.0
"""So long a worker may take from accepting a run to its process."""
LOST_SECONDS = 45.0
"""A crashed run is scheduled again by an automation within half a minute; after this its event was lost."""
FORGOTTEN_SECONDS = 7 * 86400.0


class Run(Protocol):
    """One flow run as the Prefect server knows it; `state_since` is ISO 8601, or empty."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def state_type(self) -> str: ...

    @property
    def state_since(self) -> str: ...


class RunsOfPools(Protocol):
    """What this needs of the Prefect server's API."""

    def unfinished_runs(self, pool: str) -> Sequence[Run]:
        """The pool's runs that hold a slot: pending, running or being cancelled."""
        ...

    def end_run(self, flow_run_id: str) -> None:
        """Mark it, and the runs it called, as crashed (cancelled if it was being cancelled), unless it has ended."""
        ...

    def crashed_runs(self, pool: str) -> Sequence[Run]:
        """Those of our deployments' runs that have crashed and were not scheduled again."""
        ...

    def reschedule(self, flow_run_id: str) -> None:
        """Have the pool's worker start it once more."""
        ...


def dead_runs(pools: RunsOfPools, pool: str, layout: Layout, worker_since: float | None) -> list[Run]:
    """The pool's runs that hold a slot and have no process; `worker_since`: when its worker started (Unix time).

    The server is asked before and after the look at the processes: a run that has just begun is not in the first
    answer, one that has just ended not in the second.
    """
    before = [run for run in pools.unfinished_runs(pool) if not _is_being_started(run, worker_since)]
    if not before:
        return []
    alive = living_flow_runs(layout)
    suspects = [run for run in before if run.id not in alive]
    if not suspects:
        return []
    still = {run.id for run in pools.unfinished_runs(pool)}
    return [run for run in suspects if run.id in still]


def lost_crashes(pools: RunsOfPools, pool: str, layout: Layout, now: float | None = None) -> list[Run]:
    """Crashed runs that no automation has scheduled again: the server was killed before it came to it."""
    moment = time.time() if now is None else now
    lost = [r for r in pools.crashed_runs(pool) if LOST_SECONDS < moment - _seconds(r.state_since) < FORGOTTEN_SECONDS]
    alive = living_flow_runs(layout) if lost else set()
    return [run for run in lost if run.id not in alive]


def _is_being_started(run: Run, worker_since: float | None) -> bool:
    """Between its acceptance by a worker and its process. A worker that has started since knows nothing of it."""
    if run.state_type != "PENDING" or worker_since is None:
        return False
    since = _seconds(run.state_since)
    return since >= worker_since and time.time() - since < STARTING_SECONDS


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0
