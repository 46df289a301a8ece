"""Rows of reviewers' answers and of traffic out of files, whatever wrote them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from tuneloop.data.files import RawRow, source_rows
from tuneloop.drift.traffic import TrafficRow
from tuneloop.ports import ReviewAnswer
from tuneloop.recipes import Source
from tuneloop.records import Rejection

TEXTS = ("prompt", "answer", "sent", "correction")
NEEDED = {
    ReviewAnswer: ("response_id", "reviewer", "submitted_at", "prompt", "answer"),
    TrafficRow: ("id", "time", "prompt", "answer"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """A row of a file: an answer of a reviewer, or a request."""

    source: str
    line: int
    id: str
    value: Any
    raw: str | None


def read_events(
    sources: Sequence[Source], kind: type[ReviewAnswer | TrafficRow], progress: Callable[[int], None]
) -> tuple[list[Event], list[Rejection]]:
    """Read all rows of the files as answers or requests, and what is neither; `progress` is called for each.

    Raises:
        DataError: a file cannot be read.
    """
    events: list[Event] = []
    rejections: list[Rejection] = []
    for source in sources:
        for raw in source_rows(source, root=Path.cwd(), workspace=Path.cwd()):
            read = _event(raw, source.name, kind, source.columns)
            if isinstance(read, Event):
                events.append(read)
            else:
                rejections.append(read)
            progress(1)
    return events, rejections


def _event(raw: RawRow, source: str, kind: type[Any], columns: Mapping[str, str]) -> Event | Rejection:
    problem = raw.problem
    if problem is None and not isinstance(raw.value, Mapping):
        problem = ("wrong_type", "a row must be an object")
    row = {} if problem else {f.name: raw.value.get(columns.get(f.name, f.name)) for f in fields(kind)}
    problem = problem or _problem(row, NEEDED[kind])
    if problem:
        return Rejection(source, raw.line, None, *problem, raw=raw.raw)
    value = kind(**_typed(_given(row, kind)))
    return Event(source, raw.line, row[NEEDED[kind][0]], value, raw.raw)


def _given(row: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """Without the fields that the row leaves open and the dataclass fills."""
    filled = {f.name for f in fields(kind) if f.default is not MISSING or f.default_factory is not MISSING}
    return {name: value for name, value in row.items() if value is not None or name not in filled}


def _problem(row: Mapping[str, Any], needed: Sequence[str]) -> tuple[str, str] | None:
    missing = [name for name in needed if row[name] is None]
    if missing:
        return "missing_field", f"no field for the {missing[0]}"
    wrong = [n for n in (*needed, *TEXTS) if row.get(n) is not None and not isinstance(row[n], str)]
    return ("wrong_type", f"{wrong[0]} must be text") if wrong else None


def _typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """As the dataclass wants it: what CSV holds as text becomes a number or several words."""
    typed = {name: "" if value is None and name not in {"sent", "correction"} else value for name, value in row.items()}
    if "rating" in row:
        rating, issues = row["rating"], row["issues"] or ()
        typed["rating"] = int(rating) if isinstance(rating, str) and rating.isdecimal() else rating
        typed["rating"] = None if rating == "" else typed["rating"]
        typed["issues"] = tuple(issues.split(",") if isinstance(issues, str) else map(str, issues))
    return typed
