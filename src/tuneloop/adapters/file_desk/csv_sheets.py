"""Sheets as CSV: readable by everything, and changed on the way by some of it."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tuneloop.adapters.file_desk.cells import guarded, unguarded
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
    delimiter = max(",;\t", key=first_line.count)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{path.name} is not readable as CSV ({error}); save it again as `CSV UTF-8`") from error
    if not records:
        raise DataError(f"{path.name} is empty")
    header = [column_name(name) for name in records[0]]
    return [
        SheetRow(number, {name: unguarded(text) for name, text in zip(header, record, strict=False) if name})
        for number, record in enumerate(records[1:], start=2)
        if record
    ]


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{path.name} is in no encoding that we know; save it again as `CSV UTF-8`")
