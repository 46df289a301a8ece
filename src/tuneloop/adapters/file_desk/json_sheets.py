"""Sheets as JSONL: for programs, and for people who like an editor better than a spreadsheet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tuneloop.adapters.file_desk.limits import require_few_columns, require_few_rows, require_short_row
from tuneloop.adapters.file_desk.sheet_rows import SheetRow, column_name
from tuneloop.errors import DataError

LONGEST_NUMBER = 20
"""Characters; no question is answered by a longer one."""


def json_text(shown: Sequence[str], asked: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """One object per line; what is asked is null until somebody fills it in."""
    objects = (
        {**{name: row.get(name, "") for name in shown}, **{name: row.get(name) for name in asked}} for row in rows
    )
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in objects)


def read_json(path: Path) -> list[SheetRow]:
    """All lines, numbered from 1; one that is no JSON object has a fault.

    Raises:
        DataError: it is not text.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8; save it again as UTF-8") from error
    require_few_rows(path, text.count("\n"))
    return [_row(path, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _row(path: Path, number: int, line: str) -> SheetRow:
    require_short_row(path, number, len(line))
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return SheetRow(number, {}, {"": "is not JSON, or nested too deep"})
    if not isinstance(found, dict):
        return SheetRow(number, {}, {"": "is not a JSON object"})
    require_few_columns(path, number, len(found))
    cells: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, value in ((column_name(name), value) for name, value in found.items()):
        if isinstance(value, str):
            cells[name] = value
        elif isinstance(value, list) and all(isinstance(part, str) for part in value):
            cells[name] = ", ".join(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            cells[name] = str(value)[:LONGEST_NUMBER].removesuffix(".0")
        elif value is not None:
            faults[name] = "is neither a text nor a number"
    return SheetRow(number, cells, faults)
