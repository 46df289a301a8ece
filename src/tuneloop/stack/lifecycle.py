"""Start, heal, look at and stop the stack of one workspace."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tuneloop.errors import ServiceError
from tuneloop.files import atomic_write
from tuneloop.stack.examination import Examination, ServiceStatus, WorkPools, moment
from tuneloop.stack.layout import Layout, exclusive
from tuneloop.stack.local_ports import settle_ports
from tuneloop.stack.processes import listeners, marked_processes, orphans, stop_processes
from tuneloop.stack.runs import dead_runs
from tuneloop.stack.services import (
    KEEPER,
    POOL_LIMITS,
    PORTS_OF,
    SERVICE_NAMES,
    WORKERS,
    Service,
    argilla_program,
    services,
    worker_name,
)
from tuneloop.stack.starting import Report, StartError, Watch
from tuneloop.stack.starts import forget_starts
from tuneloop.stack.state import PORT_NAMES, StackState, load_state, new_state, save_state
from tuneloop.stack.supervisor import Supervisor, main_pids
from tuneloop.stack.supervisor_config import render_config
from tuneloop.stack.temporary import renew_temporary, sweep_temporary

LOOK_EVERY_SECONDS = 0.25
AILING_LOOKS, AILING_PAUSE_SECONDS = 5, 2.0
"""So often a service must be unhealthy before `up` stops it: a busy one misses a look."""


@dataclass(frozen=True)
class Stack:
    """`work_pools` connects to a Prefect server, given its API address and auth string.

    `register_webhook` has Argilla (address, API key) send its news to an address of ours, and returns its secret.
    """

    layout: Layout
    work_pools: Callable[[str, str], WorkPools]
    register_webhook: Callable[[str, str, str], str]
    argilla_bin: Path | None = None
    notify: Callable[[str], None] = print
    timeout_seconds: float = 300.0
    make_services: Callable[[Layout, StackState, Path], list[Service]] = services

    def up(self, report: Report) -> list[ServiceStatus]:
        """Start what is missing, mend what is broken, return when everything is well. Safe to repeat.

        Raises:
            ServiceError: a part is not installed, or did not become well (StartError, with its log's last lines).
        """
        program = argilla_program(self.layout.root, self.argilla_bin)
        self.layout.create()
        with exclusive(self.layout.lock_file):
            supervisor = Supervisor(self.layout)
            self._stop_ailing(supervisor)
            running = self._running(supervisor)
            self._clear_leftovers(supervisor, running)
            renew_temporary(self.layout, set(SERVICE_NAMES) - running)
            state = self._settled_state(running)
            wanted = self.make_services(self.layout, state, program)
            running -= self._configure(supervisor, wanted)
            forget_starts(self.layout, set(SERVICE_NAMES) - running)
            pools = self.work_pools(state.prefect_api_url, state.prefect_auth)
            statuses = self._start(supervisor, wanted, running, pools, report)
            self._listen(state)
            return statuses

    def listen_to_answers(self) -> None:
        """Have Argilla tell us of answers, as `up` does; for a stack that is up already."""
        with exclusive(self.layout.lock_file):
            if (state := load_state(self.layout.state_file)) is not None:
                self._listen(state)

    def _listen(self, state: StackState) -> None:
        """Without it answers are collected all the same, by the hourly sweep: no reason to call the start a failure."""
        address = f"{state.url('webhooks')}/argilla"
        try:
            secret = self.register_webhook(state.url("argilla"), state.argilla_api_key, address)
        except ServiceError as error:
            self.notify(f"answers are collected once an hour, not as they come: {error}")
            return
        if secret != state.webhook_secret:
            save_state(self.layout.state_file, replace(state, webhook_secret=secret))

    def status(self) -> list[ServiceStatus]:
        """All services, also those that are stopped. Starts nothing and changes nothing."""
        state = load_state(self.layout.state_file)
        if state is None or set(PORT_NAMES) - set(state.ports):
            return [ServiceStatus(name, None, None, "stopped", None) for name in SERVICE_NAMES]
        known = self.make_services(self.layout, state, Path("argilla-embedded"))
        supervisor = Supervisor(self.layout)
        if not supervisor.is_alive():
            listening = listeners()
            return [self._without_supervisor(service, listening) for service in known]
        processes = supervisor.states()
        pools = self.work_pools(state.prefect_api_url, state.prefect_auth)
        found = Examination(self.layout, pools).of_all(known, processes)
        return [
            _grown_up(status, time.time() - (processes[status.name].since or 0.0)) if status.pid else status
            for status in found
        ]

    def _without_supervisor(self, service: Service, listening: Mapping[int, int | None]) -> ServiceStatus:
        """What runs on although supervisor was killed."""
        marked = sorted(marked_processes(self.layout, {service.name}), key=lambda process: process.create_time())
        if not marked:
            return ServiceStatus(service.name, service.url, None, "stopped", None)
        return ServiceStatus(
            service.name,
            service.url,
            marked[0].pid,
            "unhealthy",
            moment(marked[0].create_time()),
            answered_by=listening.get(service.port or 0),
            problem="runs on, but supervisor is gone and nothing restarts it; `tuneloop up` mends that",
        )

    def is_up(self) -> bool:
        return all(status.health == "healthy" for status in self.status())

    def down(self) -> int:
        """Stop everything, workers first so that their flow runs can still report; returns how many processes had to be
        swept up beyond those that ended in order."""
        if not self.layout.workspace.is_dir():
            return 0
        with exclusive(self.layout.lock_file):
            supervisor = Supervisor(self.layout)
            swept = self._stop(supervisor) if supervisor.is_alive() else self._sweep(None)
            sweep_temporary(self.layout, SERVICE_NAMES)
            return swept

    def _stop(self, supervisor: Supervisor) -> int:
        supervisor.stop_services((KEEPER,))  # it would mend what we stop
        supervisor.stop_services(WORKERS)
        swept = self._sweep(WORKERS)
        self._bury_all_dead_runs()
        supervisor.stop_services(tuple(PORTS_OF))
        supervisor.shutdown()
        return swept + self._sweep(None)

    def _running(self, supervisor: Supervisor) -> set[str]:
        """Names of the services that live under a supervisor that answers."""
        if not supervisor.is_alive():
            return set()
        return {name for name, process in supervisor.states().items() if process.is_alive}

    def _stop_ailing(self, supervisor: Supervisor) -> None:
        """Stop what lives and is unhealthy all the same (it hangs, a stranger has its port): it is started afresh."""
        if not supervisor.is_alive():
            return
        ailing = self._running(supervisor)
        for look in range(AILING_LOOKS):
            found = {s.name for s in self.status() if s.health == "unhealthy" and not s.dead_runs}
            if not (ailing := ailing & found):
                return
            time.sleep(AILING_PAUSE_SECONDS if look < AILING_LOOKS - 1 else 0)
        self.notify(f"restarting what is not well: {', '.join(sorted(ailing))}")
        supervisor.stop_services(ailing)

    def _clear_leftovers(self, supervisor: Supervisor, running: Collection[str]) -> None:
        """End our processes that no supervisor looks after; they would hold ports, databases and pool slots."""
        if not supervisor.is_alive():
            count = self._sweep(None)
        else:
            count = self._sweep(set(SERVICE_NAMES) - set(running)) + self._end_orphans(supervisor)
        if count:
            self.notify(f"stopped {count} processes that were left over from an earlier start")

    def _end_orphans(self, supervisor: Supervisor) -> int:
        """Seen twice, as a service may start anew while we look."""
        if not (first := orphans(self.layout, main_pids(supervisor.states()))):
            return 0
        time.sleep(LOOK_EVERY_SECONDS)
        second = orphans(self.layout, main_pids(supervisor.states()))
        return stop_processes([process for process in second if process in first])

    def _bury_all_dead_runs(self) -> None:
        """While the Prefect server still answers; where it does not, the next `up` does it."""
        state = load_state(self.layout.state_file)
        if state is None:
            return
        try:
            pools = self.work_pools(state.prefect_api_url, state.prefect_auth)
            for pool in POOL_LIMITS:
                self._bury_dead_runs(pools, pool, None)
        except ServiceError as error:
            self.notify(f"interrupted flow runs are marked at the next start: {error}")

    def _sweep(self, names: Collection[str] | None) -> int:
        """End our processes of these services (None: of all), flow runs first: while the Prefect server still answers
        they can say that they ended. A run that cannot stays `Running` for ever and keeps its pool's slot."""
        workers = set(WORKERS) if names is None else set(WORKERS) & set(names)
        count = stop_processes(marked_processes(self.layout, workers)) if workers else 0
        return count + stop_processes(marked_processes(self.layout, names))

    def _settled_state(self, running: Collection[str]) -> StackState:
        remembered = load_state(self.layout.state_file)
        state = (remembered or new_state()).with_all_secrets()
        kept = {port for service in running if service in PORTS_OF for port in PORTS_OF[service]}
        ports = settle_ports(state.ports, PORT_NAMES, kept)
        for name in sorted(set(state.ports) & set(ports)):
            if state.ports[name] != ports[name]:
                self.notify(f"port {state.ports[name]} of {name} is taken by another program: using {ports[name]} now")
        state = state.with_ports(ports)
        if state != remembered:
            save_state(self.layout.state_file, state)
        return state

    def _configure(self, supervisor: Supervisor, wanted: Sequence[Service]) -> set[str]:
        """Bring supervisor to life with the configuration; returns the services it had to stop for it."""
        atomic_write(self.layout.supervisor_config, render_config(self.layout, wanted))
        if supervisor.is_alive():
            return supervisor.take_configuration()
        supervisor.start(os.environ)
        return set()

    def _start(
        self,
        supervisor: Supervisor,
        wanted: Sequence[Service],
        running: Collection[str],
        pools: WorkPools,
        report: Report,
    ) -> list[ServiceStatus]:
        if "prefect" not in running:
            # A worker that has lost its server backs off for a minute and no longer hears of cancellations.
            supervisor.stop_services(WORKERS)
            forget_starts(self.layout, WORKERS)
        watch = Watch(self.layout, self.timeout_seconds)
        for service in wanted:
            if service.port is not None:
                supervisor.start_service(service.name)
                watch.begin([service.name])
        try:
            return self._wait(supervisor, wanted, watch, pools, report)
        except StartError as error:
            supervisor.stop_services([s.name for s in wanted if str(error).startswith(f"{s.name} ")])
            raise

    def _wait(
        self, supervisor: Supervisor, wanted: Sequence[Service], watch: Watch, pools: WorkPools, report: Report
    ) -> list[ServiceStatus]:
        workers_started = False
        while True:
            statuses = Examination(self.layout, pools).of_all(wanted, supervisor.states())
            watch.see(statuses)
            report(statuses, watch.seconds)
            if all(watch.is_well(service.name) for service in wanted):
                return statuses
            if watch.is_well("prefect") and not workers_started:
                self._start_workers(supervisor, pools, watch)
                supervisor.start_service(KEEPER)
                watch.begin([KEEPER])
                workers_started = True
                continue
            time.sleep(LOOK_EVERY_SECONDS)

    def _start_workers(self, supervisor: Supervisor, pools: WorkPools, watch: Watch) -> None:
        states = supervisor.states()
        for pool, limit in POOL_LIMITS.items():
            name = worker_name(pool)
            pools.ensure_work_pool(pool, concurrency_limit=limit)
            self._bury_dead_runs(pools, pool, states[name].since if states[name].is_alive else None)
            supervisor.start_service(name)
            watch.begin([name])

    def _bury_dead_runs(self, pools: WorkPools, pool: str, worker_since: float | None) -> None:
        """After a power cut or kill -9 a run stays `Running` for ever and would block its pool; nobody else can know
        that its process is gone. Automations that retry crashed runs take it from there."""
        for run in dead_runs(pools, pool, self.layout, worker_since):
            pools.end_run(run.id)
            self.notify(f"flow run {run.name} had lost its process: marked as crashed")


def _grown_up(status: ServiceStatus, age_seconds: float) -> ServiceStatus:
    """A service that should have answered long ago is not starting any more; of a worker without a server nobody knows,
    and `up` must not end its runs for that."""
    if status.health == "starting" and status.problem is None and age_seconds > Watch.timeout_seconds:
        return replace(status, health="unhealthy")
    return status
