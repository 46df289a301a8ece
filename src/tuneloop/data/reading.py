"""From the sources of a recipe to records, row by row. Nothing in a file can stop the reading of its other rows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.data.files import RawRow, file_of, source_rows
from tuneloop.data.row_formats import Example, ShapeError, example
from tuneloop.recipes import Source
from tuneloop.records import Record, Rejection, content_hash

__all__ = ["file_of", "read_sources"]

ID_DIGITS = 16
NO_NAMES = (dict, list, tuple, bytes)
"""Types of values that name nothing: no id, group or date can be made of them."""


def read_sources(sources: Sequence[Source], *, root: Path, workspace: Path) -> Iterator[Record | Rejection]:
    """Every row of every source, in order, as a record or as a rejection that says why.

    Ids are unique over all sources. A second row with a taken id gets `ID~2` and keeps the old one in
    `extra["given_id"]`. A `workspace:` file that does not exist yet has no rows.

    Raises:
        DataError: a source's file is missing or unreadable as a whole.
    """
    taken: dict[str, int] = {}
    for source in sources:
        for raw in source_rows(source, root=root, workspace=workspace):
            yield _record_or_rejection(raw, source, taken)


def _record_or_rejection(raw: RawRow, source: Source, taken: dict[str, int]) -> Record | Rejection:
    given = _given_id(raw.value, source.columns)
    if raw.problem:
        return Rejection(source.name, raw.line, given, *raw.problem, raw=raw.raw)
    try:
        found = example(raw.value, source.columns)
    except ShapeError as error:
        return Rejection(source.name, raw.line, given, error.reason, error.detail, raw=_text_of(raw))
    return _record(raw, source, found, given or _id_by_content(found), taken)


def _text_of(raw: RawRow) -> str:
    """The row for the quarantine, as the file has it or, out of a table, as JSON. Images and the like are left out."""
    return json.dumps(raw.value, ensure_ascii=False, default=_shown_value) if raw.raw is None else raw.raw


def _shown_value(value: Any) -> str:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else str(value)


def _record(raw: RawRow, source: Source, found: Example, wanted: str, taken: dict[str, int]) -> Record:
    identity = _distinct(wanted, taken)
    extra = _extra(raw.value)
    return Record(
        id=identity,
        messages=found.messages,
        source=source.name,
        line=raw.line,
        held_out=source.held_out or source.private,
        group=_optional_text(raw.value, source.columns, "group"),
        created_at=_optional_text(raw.value, source.columns, "created_at"),
        rejected=found.rejected,
        extra=extra if identity == wanted else {**extra, "given_id": wanted},
    )


def _given_id(row: Any, columns: Mapping[str, str]) -> str | None:
    return _optional_text(row, columns, "id") if isinstance(row, Mapping) else None


def _optional_text(row: Mapping[str, Any], columns: Mapping[str, str], ours: str) -> str | None:
    value = row.get(columns.get(ours, ours))
    if value is None or isinstance(value, NO_NAMES) or (isinstance(value, float) and math.isnan(value)):
        return None
    return str(value).strip() or None


def _id_by_content(found: Example) -> str:
    worse = [] if found.rejected is None else [["rejected", found.rejected]]
    return content_hash([*([m.role, m.content] for m in found.messages), *worse])[:ID_DIGITS]


def _distinct(wanted: str, taken: dict[str, int]) -> str:
    """`wanted` itself the first time, then `wanted~2`, `wanted~3`..., never one that is in use."""
    identity = wanted
    while identity in taken:
        taken[wanted] += 1
        identity = f"{wanted}~{taken[wanted]}"
    taken[identity] = 1
    return identity


def _extra(row: Mapping[str, Any]) -> dict[str, Any]:
    """Only an object under `extra` is kept: columns nobody trains on are data nobody should carry along."""
    extra = row.get("extra")
    plain: dict[str, Any] = json.loads(json.dumps(extra, default=str)) if isinstance(extra, Mapping) else {}
    return plain
