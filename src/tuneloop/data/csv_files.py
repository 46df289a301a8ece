"""Rows out of CSV files: comma, semicolon or tab, whichever the header has most of."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneloop.data.raw_row import MAX_ROW_BYTES, RawRow, is_encodable
from tuneloop.data.streams import TruncatedError, opened, too_long, truncated
from tuneloop.errors import DataError

SHOWN_NAME = 40
"""Characters of a column's name that a message may show: what is longer is rather a row than a name."""

MAX_COLUMNS = 10_000


def csv_rows(path: Path, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[RawRow]:
    """One row per record, numbered by its first line; a record of the wrong width or with a stray quote is a problem.

    Raises:
        DataError: the first line does not name the columns, or names two of them alike.
    """
    delimiter = _delimiter(path, max_row_bytes)
    # Bytes that are no UTF-8 become surrogates, which are found again row by row.
    with io.TextIOWrapper(opened(path), encoding="utf-8", errors="surrogateescape", newline="") as handle:
        lines = _Lines(handle, max_row_bytes)
        try:
            yield from _records(lines, delimiter, path)
        except TruncatedError:
            yield truncated(lines.number + 1)


def require_distinct(names: Sequence[str], path: Path) -> None:
    """Of two columns with one name, one would be lost.

    Raises:
        DataError: names them.
    """
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        shown = ", ".join(name[:SHOWN_NAME] for name in twice[:5])
        raise DataError(f"{path} has more than one column named {shown}; rename or drop them")


class _LineTooLongError(Exception):
    pass


class _Lines:
    """Lines for the csv module, none of them longer than `max_characters`."""

    def __init__(self, handle: io.TextIOWrapper, max_characters: int) -> None:
        self.handle = handle
        self.max_characters = max_characters
        self.number = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self.handle.readline(self.max_characters + 1)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line) > self.max_characters and not line.endswith(("\n", "\r")):
            while (more := self.handle.readline(self.max_characters)) and not more.endswith(("\n", "\r")):
                pass
            raise _LineTooLongError
        return line


def _records(lines: _Lines, delimiter: str, path: Path) -> Iterator[RawRow]:
    # Not strict, the csv module would take a quote that never closes for one that closes at the end of the file.
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    header = _header(reader, path)
    while header:
        first_line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _LineTooLongError:
            yield too_long(first_line, lines.max_characters)
        except csv.Error:
            detail = f"a stray quote or a huge field in lines {first_line} to {lines.number}"
            yield RawRow(first_line, problem=("broken_csv", detail))
        else:
            if not _is_blank(cells):
                yield _row(first_line, header, cells)


def _is_blank(cells: Sequence[str]) -> bool:
    return not cells or (len(cells) == 1 and cells[0].isspace())


def _header(reader: Iterator[list[str]], path: Path) -> list[str]:
    try:
        names = next((cells for cells in reader if not _is_blank(cells)), None)
    except (csv.Error, _LineTooLongError):
        raise DataError(f"{path} has no header that can be read; its first line must name the columns") from None
    if names is None:
        return []
    names = [name.strip() for name in names]
    if not any(names) or not is_encodable("".join(names)):
        raise DataError(f"{path} has no header that can be read; its first line must name the columns, in UTF-8")
    if len(names) > MAX_COLUMNS:
        raise DataError(
            f"{path} has {len(names):,} columns, and at most {MAX_COLUMNS:,} are read; keep those that matter"
        )
    require_distinct([name for name in names if name], path)
    return names


def _delimiter(path: Path, max_row_bytes: int) -> str:
    try:
        with opened(path) as stream:
            header = stream.readline(max_row_bytes)
    except TruncatedError:
        return ","
    return max(",;\t", key=lambda d: header.count(d.encode()))


def _row(number: int, header: list[str], cells: list[str]) -> RawRow:
    raw = json.dumps(cells)
    if any(not is_encodable(c) for c in cells):
        return RawRow(number, problem=("undecodable", "not UTF-8"), raw=raw)
    if len(cells) != len(header):
        return RawRow(number, problem=("broken_csv", f"{len(cells)} fields under a header of {len(header)}"), raw=raw)
    # A column without a name is what spreadsheets leave at the right and pandas' index at the left.
    return RawRow(number, value={n: c for n, c in zip(header, cells, strict=True) if n}, raw=raw)
