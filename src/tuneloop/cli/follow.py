"""Follow a flow run from the outside: state changes, log lines, and each task's duration as it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from tuneloop.adapters.prefect_api import FlowRun, LogLine, TaskRun

OVERLAP = timedelta(seconds=10)
"""Workers send log lines in batches, so that older ones may arrive after newer ones."""
LATE_LINES_SECONDS = 2.0
"""A run's last lines reach the server a moment after its last state."""
RESUMED_WITHIN_SECONDS = 90.0
"""A run that crashed is scheduled again by itself, within half a minute or, after an outage, a whole one."""
ECHOES = ("Finished in state", "Executing deployment step", "Deployment step", "Running 1 deployment pull step")
"""Beginnings of Prefect's own lines that say what the task and state lines here say already."""
MARKS = {"COMPLETED": "[green]✓[/]", "FAILED": "[red]✗[/]", "CRASHED": "[red]✗[/]", "CANCELLED": "[yellow]-[/]"}


def _goes_on(run: FlowRun) -> bool:
    """Whether a crashed run is about to be scheduled again."""
    if run.state_type != "CRASHED" or not run.state_since:
        return False
    return time.time() - datetime.fromisoformat(run.state_since).timestamp() < RESUMED_WITHIN_SECONDS


class Runs(Protocol):
    """What following needs of the Prefect server."""

    def flow_run(self, flow_run_id: str) -> FlowRun: ...
    def family(self, flow_run_id: str) -> list[str]: ...
    def task_runs(self, flow_run_ids: Sequence[str]) -> list[TaskRun]: ...
    def logs(self, flow_run_ids: Sequence[str], *, after: str | None = None) -> list[LogLine]: ...


class Follower:
    """Prints what is new at each look."""

    def __init__(self, runs: Runs, console: Console) -> None:
        self._runs = runs
        self._console = console
        self._state = ""
        self._ended_tasks: set[str] = set()
        self._seen_lines: set[str] = set()
        self._newest: str | None = None

    def follow(
        self, flow_run_id: str, *, poll_seconds: float = 2.0, sleep: Callable[[float], None] = time.sleep
    ) -> FlowRun:
        """Look until the run has ended, or waits for a person; returns its last state."""
        while True:
            run = self._runs.flow_run(flow_run_id)
            self.look(run)
            if run.waits_for_a_person or (run.is_terminal and not _goes_on(run)):
                sleep(LATE_LINES_SECONDS)
                self.look(run)
                return run
            sleep(poll_seconds)

    def look(self, run: FlowRun) -> None:
        """Print what has happened since the last look."""
        family = self._runs.family(run.id)
        self._show_lines(self._runs.logs(family, after=self._after()))
        self._show_tasks(self._runs.task_runs(family))
        if run.state != self._state:
            self._state = run.state
            self._console.print(f"[bold]{escape(run.name)}: {escape(run.state)}[/] {escape(run.message)}".rstrip())

    def _show_lines(self, lines: Sequence[LogLine]) -> None:
        for line in lines:
            if line.id not in self._seen_lines and not line.message.startswith(ECHOES):
                self._seen_lines.add(line.id)
                style = "red" if line.level >= logging.ERROR else "yellow" if line.level >= logging.WARNING else "dim"
                clock = datetime.fromisoformat(line.timestamp).astimezone().strftime("%H:%M:%S")
                self._console.print(Text(f"{clock} {line.message}", style=style), soft_wrap=True)
        if lines:
            self._newest = max(lines[-1].timestamp, self._newest or "")

    def _show_tasks(self, tasks: Sequence[TaskRun]) -> None:
        for task in tasks:
            if task.is_terminal and task.id not in self._ended_tasks:
                self._ended_tasks.add(task.id)
                what = f"{escape(task.name)} {task.seconds:.1f} s  {escape(task.state)}"
                self._console.print(f"{MARKS.get(task.state_type, '')} {what}", highlight=False)

    def _after(self) -> str | None:
        return None if self._newest is None else (datetime.fromisoformat(self._newest) - OVERLAP).isoformat()
