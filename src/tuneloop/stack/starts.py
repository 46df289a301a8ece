"""How often each service was started: noted by the service's own start, so that no restart is missed."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from tuneloop.files import atomic_write
from tuneloop.stack.layout import Layout


@dataclass(frozen=True, slots=True)
class Starts:
    """`restarts` since `up` has started it; `last` is when, ISO 8601 in UTC, None: it was not restarted."""

    restarts: int = 0
    last: str | None = None


def note_start(layout: Layout, service: str) -> None:
    """Count one more; the first after `forget_starts` is no restart."""
    file = _file(layout, service)
    if not file.exists():
        starts = Starts()
    else:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        starts = Starts(starts_of(layout, service).restarts + 1, now)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    atomic_write(file, json.dumps(asdict(starts)))


def forget_starts(layout: Layout, services: Collection[str]) -> None:
    for service in services:
        _file(layout, service).unlink(missing_ok=True)


def starts_of(layout: Layout, service: str) -> Starts:
    """What was noted; nothing where there is no note, or one that cannot be read: it is only shown."""
    try:
        return Starts(**json.loads(_file(layout, service).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return Starts()


def _file(layout: Layout, service: str) -> Path:
    return layout.run / "starts" / f"{service}.json"
