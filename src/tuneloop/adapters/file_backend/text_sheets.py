"""Sheets as CSV and JSONL files."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tuneloop.adapters.file_backend.sheets import SheetRow, column_name, guarded, unguarded
from tuneloop.adapters.file_backend.workbooks import require_few_columns, require_few_rows, require_short_row
from tuneloop.errors import DataError


def csv_text(header: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """The file's text; it begins with a byte order mark, without which Excel takes it for the local 8-bit encoding."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
    writer.writerow(header)
    writer.writerows([guarded(row.get(name, "")) for name in header] for row in rows)
    return "\ufeff" + stream.getvalue()


def read_csv(path: Path) -> list[SheetRow]:
    """All rows below the header; comma, semicolon or tab, UTF-8, UTF-16 or Windows-1252, as programs save them.

    Raises:
        DataError: it cannot be read as CSV.
    """
    text = _decoded(path)
    first_line = text.split("\n", 1)[0]
    records = _records(text, max(",;\t", key=first_line.count), path)
    try:
        header = [column_name(name) for name in next(records, ())]
        rows = [_csv_row(number, header, record) for number, record in enumerate(records, start=2) if record]
    except csv.Error as error:
        raise DataError(f"{path} is not readable as CSV ({error}); save it again as `CSV UTF-8`") from error
    if not header:
        raise DataError(f"{path} is empty; was it saved?")
    return rows


def _csv_row(number: int, header: Sequence[str], record: Sequence[str]) -> SheetRow:
    return SheetRow(number, {name: unguarded(text) for name, text in zip(header, record, strict=False) if name})


def _records(text: str, delimiter: str, path: Path) -> Iterator[list[str]]:
    lines = _Lines(text, path)
    for number, record in enumerate(csv.reader(lines, delimiter=delimiter, strict=True), 1):
        require_few_rows(path, number)
        require_few_columns(path, number, len(record))
        lines.begin(number + 1)
        yield record


class _Lines:
    """Lines for the csv module, none of whose records is longer than a row may be."""

    def __init__(self, text: str, path: Path) -> None:
        self._lines = io.StringIO(text, newline="")
        self._path = path
        self.begin(1)

    def begin(self, row: int) -> None:
        self._row, self._characters = row, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._characters += len(line)
        require_short_row(self._path, self._row, self._characters)
        return line


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path} is in no encoding that we know; save it again as `CSV UTF-8`")


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
    return [_json_row(path, number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def _json_row(path: Path, number: int, line: str) -> SheetRow:
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
