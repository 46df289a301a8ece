"""Sheets as CSV: readable by everything, and changed on the way by some of it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tuneloop.adapters.file_desk.cells import guarded, unguarded
from tuneloop.adapters.file_desk.limits import require_few_columns, require_few_rows, require_short_row
from tuneloop.adapters.file_desk.sheet_rows import SheetRow, column_name
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
        rows = [_row(number, header, record) for number, record in enumerate(records, start=2) if record]
    except csv.Error as error:
        raise DataError(f"{path} is not readable as CSV ({error}); save it again as `CSV UTF-8`") from error
    if not header:
        raise DataError(f"{path} is empty; was it saved?")
    return rows


def _row(number: int, header: Sequence[str], record: Sequence[str]) -> SheetRow:
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
