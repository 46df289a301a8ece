"""The traffic log: what production asked and what the model answered, one JSON object a line.

Several processes may append. A row counts once its line break is written; a line that a crash cut off is cut away (or
finished, where only the line break is missing) by the next writer and left out by readers until then.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneloop.files import appending


@dataclass(frozen=True, slots=True)
class TrafficRow:
    """One request. `time` is ISO 8601; `sent` is what a person really sent after editing the draft, if one did."""

    id: str
    time: str
    prompt: str
    answer: str
    model: str
    sent: str | None = None


def append(file: Path, rows: Sequence[TrafficRow]) -> None:
    """Add rows to the log, on the disk when this returns. The file is private (mode 0600)."""
    with appending(file, is_edited_by_others=True) as stream:
        stream.write(b"".join(_line(row) for row in rows))


def read_since(file: Path, after: str | None = None) -> list[TrafficRow]:
    """Rows behind the one with id `after`, each id once, in the order of the log.

    All rows, if `after` is None or is not in the log (which then has been rotated since).
    """
    rows: dict[str, TrafficRow] = {}
    for row in _rows(file):
        rows.setdefault(row.id, row)
        if row.id == after:
            rows.clear()
    rows.pop(after or "", None)
    return list(rows.values())


def read_window(file: Path, end: str, rows: int) -> list[TrafficRow]:
    """The `rows` rows that end with the one of id `end`, in the order of the log; none if that is gone from it."""
    found = read_since(file)
    ends = [position for position, row in enumerate(found, 1) if row.id == end]
    return found[max(ends[0] - rows, 0) : ends[0]] if ends else []


def _line(row: TrafficRow) -> bytes:
    known = {name: value for name, value in asdict(row).items() if value is not None}
    return json.dumps(known, ensure_ascii=False).encode(errors="replace") + b"\n"


def _rows(file: Path) -> Iterator[TrafficRow]:
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return
    with stream:
        for line in stream:
            row = _parsed(line) if line.endswith(b"\n") else None
            if row is not None:
                yield row


def _parsed(line: bytes) -> TrafficRow | None:
    """The row, or None where the line is not one of ours."""
    try:
        fields: dict[str, Any] = json.loads(line)
        return TrafficRow(**fields)
    except (ValueError, TypeError):
        return None
