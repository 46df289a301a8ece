"""Rows that were forgotten here and come again, out of a source that still has them: left out, without a word kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from tuneloop.records import Record, Rejection
from tuneloop.tombstones import Tombstones

REASON = "forgotten"


def without_forgotten(rows: Iterable[Record | Rejection], tombstones: Tombstones) -> Iterator[Record | Rejection]:
    """The rows; in place of a forgotten one stands a rejection with its source and line, and neither text nor id."""
    if not tombstones:
        yield from rows
        return
    for row in rows:
        if _is_forgotten(row, tombstones):
            yield Rejection(row.source, row.line, None, REASON, "its words were erased from this workspace")
        else:
            yield row


def _is_forgotten(row: Record | Rejection, tombstones: Tombstones) -> bool:
    if isinstance(row, Rejection):
        raw = _parsed(row.raw)
        return tombstones.is_row(row.source, row.record_id) or any(map(tombstones.hold, strings_in([raw, row.raw])))
    given = row.extra.get("given_id")
    if tombstones.is_row(row.source, row.id) or tombstones.is_row(row.source, given):
        return True
    texts = [*(m.content for m in row.messages), row.rejected, row.id, row.group, dict(row.extra)]
    return any(map(tombstones.hold, strings_in(texts)))


def strings_in(value: Any) -> Iterator[str]:
    """Every string in a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield str(name)
            yield from strings_in(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from strings_in(inner)


def _parsed(raw: str | None) -> Any:
    """A row that was set aside may be JSON, in which letters can be written as codes."""
    try:
        return json.loads(raw or "null")
    except ValueError:
        return None
