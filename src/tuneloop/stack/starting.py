"""Wait for services to become well, and notice early when one never will."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tuneloop.errors import ServiceError
from tuneloop.stack.examination import ServiceStatus
from tuneloop.stack.layout import Layout
from tuneloop.stack.logs import last_lines

MOST_TRIES = 3
LINES_SHOWN = 15

Report = Callable[[Sequence[ServiceStatus], Mapping[str, float]], None]
"""Called with all statuses and, per service, the seconds it took (or has taken so far) to become well."""


class StartError(ServiceError):
    """A service did not become well; the message ends with the last lines of its log."""


@dataclass
class Watch:
    """Follows services from start to health. `timeout_seconds` is per service, counted from its start."""

    layout: Layout
    timeout_seconds: float = 300.0
    clock: Callable[[], float] = time.monotonic
    _began: dict[str, float] = field(default_factory=dict)
    _took: dict[str, float] = field(default_factory=dict)
    _pids: dict[str, set[int]] = field(default_factory=dict)

    def begin(self, names: Collection[str]) -> None:
        for name in names:
            self._began.setdefault(name, self.clock())

    def see(self, statuses: Sequence[ServiceStatus]) -> None:
        """Take in one look at the services.

        Raises:
            StartError: one has failed, keeps dying, or is out of time.
        """
        for status in statuses:
            if status.name in self._began and status.name not in self._took:
                self._judge(status)

    def is_well(self, name: str) -> bool:
        return name in self._took

    @property
    def seconds(self) -> dict[str, float]:
        now = self.clock()
        return {name: self._took.get(name, now - began) for name, began in self._began.items()}

    def _judge(self, status: ServiceStatus) -> None:
        name = status.name
        if status.health == "healthy":
            self._took[name] = self.clock() - self._began[name]
            return
        pids = self._pids.setdefault(name, set())
        if status.pid is not None:
            pids.add(status.pid)
        if status.health == "failed" or len(pids) > MOST_TRIES:
            raise self._error(name, "ended each time it was started")
        if self.clock() - self._began[name] > self.timeout_seconds:
            raise self._error(name, f"did not answer within {self.timeout_seconds:.0f} s")

    def _error(self, name: str, what: str) -> StartError:
        path = self.layout.log_file(name)
        lines = "\n".join(f"    {line}" for line in last_lines(path, LINES_SHOWN)) or "    (it wrote nothing)"
        return StartError(
            f"{name} {what}. The end of {path}:\n{lines}\n"
            f"Mend what it complains about and run `tuneloop up` again; `tuneloop logs {name} -n 200` "
            "shows more, `tuneloop down` stops everything."
        )
