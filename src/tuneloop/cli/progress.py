"""Show how the services come up: a live table on a terminal, one line per service elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from tuneloop.stack.examination import ServiceStatus

COLOURS = {"healthy": "green", "starting": "yellow", "unhealthy": "red", "failed": "red", "stopped": "dim"}


class StartDisplay:
    """Call it with the statuses and the seconds per service, as `Stack.up` does."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, statuses: Sequence[ServiceStatus], seconds: Mapping[str, float]) -> None:
        if self._live is not None:
            self._live.update(status_table(statuses, seconds))
            return
        for status in statuses:
            if status.health == "healthy" and status.name in seconds and status.name not in self._told:
                self._told.add(status.name)
                self._console.print(
                    f"{status.name:16} healthy after {seconds[status.name]:5.1f} s  {status.url or ''}",
                    highlight=False,
                    soft_wrap=True,
                )


def status_table(statuses: Sequence[ServiceStatus], seconds: Mapping[str, float] | None = None) -> Table:
    """Name, health, seconds (while starting) or process ids, start and restarts, and the page to open."""
    table = Table(box=None, pad_edge=False)
    last = ("pid (answers)", "since", "restarts") if seconds is None else ("seconds",)
    for heading in ("service", "health", *last, "page"):
        table.add_column(heading, overflow="fold")
    for status in statuses:
        colour = COLOURS[status.health]
        if seconds is None:
            middle = [_pids(status), _local_time(status.since), _restarts(status)]
        else:
            middle = [f"{seconds[status.name]:.1f}" if status.name in seconds else ""]
        table.add_row(status.name, f"[{colour}]{status.health}[/]", *middle, status.url or "")
    return table


def problem_lines(statuses: Sequence[ServiceStatus]) -> list[str]:
    """Why a service is not healthy, where that is known: one line each."""
    return [f"{status.name}: {status.problem}" for status in statuses if status.problem]


def _pids(status: ServiceStatus) -> str:
    """Its process and, where that is another one (a child of it, or a stranger), the one that answers."""
    if status.answered_by in {None, status.pid}:
        return str(status.pid or "")
    return f"{status.pid or ''} ({status.answered_by})".strip()


def _restarts(status: ServiceStatus) -> str:
    return f"{status.restarts}, last {_local_time(status.restarted)}" if status.restarts else ""


def _local_time(since: str | None) -> str:
    return "" if since is None else datetime.fromisoformat(since).astimezone().strftime("%d %b %H:%M")
