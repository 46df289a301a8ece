"""Rows out of JSONL and JSON files of any size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tuneloop.data.json_window import BrokenError, RowDecoder, Window
from tuneloop.data.raw_row import MAX_ROW_BYTES, RawRow
from tuneloop.data.streams import TruncatedError, lines, opened, too_long, truncated
from tuneloop.errors import DataError


def jsonl_rows(path: Path, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[RawRow]:
    """One row per line that is not blank."""
    rows = RowDecoder()
    number = 0
    try:
        with opened(path) as stream:
            for number, data in enumerate(lines(stream, max_row_bytes), 1):
                if data is None:
                    yield too_long(number, max_row_bytes)
                elif data.strip():
                    yield rows.on_line(number, data)
    except TruncatedError:
        yield truncated(number + 1)


def json_rows(path: Path, max_row_bytes: int = MAX_ROW_BYTES) -> Iterator[RawRow]:
    """An array of rows, or an object of which one member is the array; JSONL under the wrong name is read as such.

    Where the syntax is broken, the reading ends with a problem that says at which row.

    Raises:
        DataError: not a single row can be read, or it is not clear which array is meant.
    """
    if _is_jsonl(path, max_row_bytes):
        yield from jsonl_rows(path, max_row_bytes)
        return
    number = 0
    try:
        with opened(path) as stream:
            for row in _document(Window(stream, max_row_bytes), path):
                number = row.line
                yield row
    except (BrokenError, TruncatedError) as error:
        detail = str(error) or "the archive breaks off"
        if not number:
            raise DataError(
                f"{path} is not JSON: {detail}. Mend it, or export JSONL: there a bad line costs one row"
            ) from None
        reason = "truncated_file" if isinstance(error, TruncatedError) else "broken_json"
        yield RawRow(number + 1, problem=(reason, f"{detail}; reading ended at row {number + 1}"))


def _is_jsonl(path: Path, max_row_bytes: int) -> bool:
    """Is the first line an object by itself, and not the last line?"""
    with opened(path) as stream:
        filled = (line for line in lines(stream, max_row_bytes) if line is None or line.strip())
        try:
            if not isinstance(json.loads(next(filled, None) or b""), dict):
                return False
        except (ValueError, RecursionError, TruncatedError):
            return False
        try:
            return next(filled, b"") != b""
        except TruncatedError:
            return True


def _document(window: Window, path: Path) -> Iterator[RawRow]:
    opening = window.take()
    if opening == "[":
        yield from _array(window)
    elif opening == "{":
        yield from _object(window, path)
    else:
        raise BrokenError("neither an array of rows nor an object with one")
    if window.peek():
        raise BrokenError("something follows the end")


def _array(window: Window) -> Iterator[RawRow]:
    """The rows behind an opening bracket, up to the closing one."""
    if window.peek() == "]":
        window.take()
        return
    number = 0
    separator = ","
    while separator == ",":
        number += 1
        yield window.row(number)
        separator = window.take()
    if separator != "]":
        raise BrokenError("Expecting ',' or ']' behind a row")


def _object(window: Window, path: Path) -> Iterator[RawRow]:
    """The rows of the one member that is an array."""
    arrays = 0
    separator = ","
    while separator == ",":
        key, _ = window.value()
        if not isinstance(key, str) or window.take() != ":":
            raise BrokenError("Expecting a name and ':'")
        if window.peek() == "[":
            arrays += 1
            if arrays > 1:
                raise DataError(f"{path} has more than one array; keep only the one with the rows")
            window.take()
            yield from _array(window)
        else:
            window.value()
        separator = window.take()
    if separator != "}" or not arrays:
        raise BrokenError("Expecting '}'" if arrays else "no array of rows in the object")
