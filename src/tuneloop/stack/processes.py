"""Find and stop processes of a workspace that nobody looks after any more.

A process is ours if its environment carries our marker with our workspace, or if it descends from such a process.
Names and ports prove nothing: other people's servers look the same.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping

import psutil

from tuneloop.stack.environment import MARKER
from tuneloop.stack.layout import Layout

FLOW_RUN = "PREFECT__FLOW_RUN_ID"
"""Set by Prefect's worker for the process of a flow run."""
WORKSPACE = "TUNELOOP_WORKSPACE"
"""In the environment of every worker, also of one that was started by hand."""


def marked_processes(layout: Layout, names: Collection[str] | None = None) -> list[psutil.Process]:
    """Our processes and their descendants, without this one and its ancestors; `names` narrows it to services."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        service = _service_of(process, layout)
        if service is not None and (names is None or service in names):
            found[process.pid] = process
            found.update((child.pid, child) for child in _children(process))
    for process in (psutil.Process(), *psutil.Process().parents()):
        found.pop(process.pid, None)
    return list(found.values())


def orphans(layout: Layout, mains: Mapping[str, int | None]) -> list[psutil.Process]:
    """Our processes of these services that descend from none of the processes that supervisor looks after.

    `mains`: per service the process id that supervisor knows; None where it runs none. A service that starts between
    that knowledge and this call looks like an orphan: look twice before ending one.
    """
    cared_for = {pid for main in mains.values() if main for pid in _tree(main)}
    return [process for process in marked_processes(layout, set(mains)) if process.pid not in cared_for]


def listeners() -> dict[int, int | None]:
    """Who listens on this machine: process ids by TCP port, None for the process of another user."""
    found = psutil.net_connections("tcp")
    return {c.laddr.port: c.pid for c in found if c.status == psutil.CONN_LISTEN and c.laddr}


def descends_from(pid: int, ancestor: int | None) -> bool:
    return ancestor is not None and pid in _tree(ancestor)


def living_flow_runs(layout: Layout) -> set[str]:
    """Ids of the flow runs that have a process in this workspace, whoever started their worker."""
    processes = [p for p in psutil.process_iter() if _variable(p, WORKSPACE) == str(layout.workspace)]
    return {run for process in processes if (run := _variable(process, FLOW_RUN))}


def stop_processes(processes: Iterable[psutil.Process], *, grace_seconds: float = 10.0) -> int:
    """Ask them to end, then make those end that have not; returns how many there were."""
    processes = list(processes)
    for process in processes:
        _send(process, kill=False)
    _, stubborn = psutil.wait_procs(processes, timeout=grace_seconds)
    for process in stubborn:
        _send(process, kill=True)
    psutil.wait_procs(stubborn, timeout=5)
    return len(processes)


def is_running(pid: int) -> bool:
    """Whether the process lives; one that has ended but was not yet collected by its parent does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _send(process: psutil.Process, *, kill: bool) -> None:
    try:
        if kill:
            process.kill()
        else:
            process.terminate()
    except psutil.NoSuchProcess:
        pass  # it has ended by itself: what we wanted


def _tree(pid: int) -> set[int]:
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return set()
    return {pid, *(child.pid for child in _children(process))}


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _service_of(process: psutil.Process, layout: Layout) -> str | None:
    try:
        if process.uids().real != os.getuid() or process.status() == psutil.STATUS_ZOMBIE:
            return None
    except psutil.Error:
        return None
    name, _, workspace = _variable(process, MARKER).partition("@")
    return name if workspace == str(layout.workspace) else None


def _variable(process: psutil.Process, name: str) -> str:
    try:
        return process.environ().get(name, "")
    except (psutil.Error, OSError):
        return ""  # it has ended, or is not ours to look into
