"""Keeps the stack well while nobody looks: ends orphans, frees slots of dead runs, starts what supervisor gave up.

Supervisor restarts what ends. What it cannot see is left to this: a killed process's children that hold a port or a
lock, a run whose process is gone while the Prefect server, or the worker, was gone too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import psutil

from tuneloop.errors import ServiceError
from tuneloop.stack.examination import WorkPools
from tuneloop.stack.layout import Layout, exclusive
from tuneloop.stack.processes import orphans, stop_processes
from tuneloop.stack.runs import dead_runs, lost_crashes
from tuneloop.stack.services import POOL_LIMITS, worker_name
from tuneloop.stack.state import load_state
from tuneloop.stack.supervisor import ProcessState, Supervisor, main_pids

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5.0, 60.0
GRACE_SECONDS = 3.0
SETTLING_SECONDS = 60.0
"""A Prefect server that has just started may still come to the automations of what crashed before."""


@dataclass
class Keeper:
    """Call `look` every few seconds. `work_pools` connects to a Prefect server, given its address and auth string."""

    layout: Layout
    work_pools: Callable[[str, str], WorkPools]
    say: Callable[[str], None] = print
    clock: Callable[[], float] = time.monotonic
    _suspects: list[psutil.Process] = field(default_factory=list)
    _given_up: dict[str, tuple[int, float]] = field(default_factory=dict)
    _trouble: str = ""

    def look(self) -> None:
        """Mend what is broken now.

        Raises:
            ConnectionError, FileNotFoundError: supervisor is gone, and with it the reason to go on.
        """
        supervisor = Supervisor(self.layout)
        states = supervisor.states()
        try:
            with exclusive(self.layout.lock_file, timeout_seconds=0.0):
                self._end_orphans(states)
                self._start_again(supervisor, states)
        except ServiceError:
            pass  # `up` or `down` is at work, and does it
        self._free_slots(states)
        self.layout.heartbeat.touch(mode=0o600)

    def _end_orphans(self, states: Mapping[str, ProcessState]) -> None:
        """Those that were orphans at the last look too: a service may have started while we looked."""
        found = orphans(self.layout, main_pids(states))
        lasting = [process for process in found if process in self._suspects]
        self._suspects = found
        if lasting:
            stop_processes(lasting, grace_seconds=GRACE_SECONDS)
            self.say(f"ended {len(lasting)} processes whose service was killed: {sorted(p.pid for p in lasting)}")

    def _start_again(self, supervisor: Supervisor, states: Mapping[str, ProcessState]) -> None:
        """What supervisor gave up after some quick tries, ever less often while it goes on to fail."""
        for name, process in states.items():
            if process.state == "RUNNING":
                self._given_up.pop(name, None)
            elif process.state == "FATAL":
                tries, due = self._given_up.setdefault(name, (0, self.clock() + FIRST_PAUSE_SECONDS))
                if self.clock() >= due:
                    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** (tries + 1))
                    self._given_up[name] = tries + 1, self.clock() + pause
                    self.say(f"{name} ended each time it was started: starting it again")
                    supervisor.start_service(name)

    def _free_slots(self, states: Mapping[str, ProcessState]) -> None:
        try:
            state = load_state(self.layout.state_file)
            if state is not None and "prefect" in state.ports:
                pools = self.work_pools(state.prefect_api_url, state.prefect_auth)
                for pool in POOL_LIMITS:
                    worker = states.get(worker_name(pool))
                    self._free_slots_of(pools, pool, worker.since if worker and worker.is_alive else None)
                    if _has_settled(states.get("prefect")):
                        self._resume_forgotten(pools, pool)
            self._trouble = ""
        except ServiceError as error:
            if str(error) != self._trouble:
                self.say(f"flow runs cannot be looked after at present: {error}")
            self._trouble = str(error)

    def _free_slots_of(self, pools: WorkPools, pool: str, worker_since: float | None) -> None:
        for run in dead_runs(pools, pool, self.layout, worker_since):
            pools.end_run(run.id)
            self.say(f"flow run {run.name} had lost its process: marked as crashed")

    def _resume_forgotten(self, pools: WorkPools, pool: str) -> None:
        for run in lost_crashes(pools, pool, self.layout):
            pools.reschedule(run.id)
            self.say(f"flow run {run.name} had crashed and was forgotten: scheduled again")


def _has_settled(server: ProcessState | None) -> bool:
    return server is not None and server.since is not None and time.time() - server.since > SETTLING_SECONDS
