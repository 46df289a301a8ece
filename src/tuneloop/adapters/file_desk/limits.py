"""How large a filled-in sheet may be. A review set has some hundred rows; what is far larger is none, or damaged."""

from __future__ import annotations

from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.readable_files import MIB, fault_of

MAX_FILE_BYTES = 32 * MIB
MAX_ROWS = 20_001
"""A header, and twice the `max_records` that a recipe may ask for."""
MAX_COLUMNS = 64
MAX_ROW_CHARACTERS = 4 * MIB


def require_readable(path: Path) -> None:
    """Refuse what is no file, or too large a one, before a byte of it is read.

    Raises:
        DataError: names the file and says what to do.
    """
    if fault := fault_of(path, max_bytes=MAX_FILE_BYTES, remedy="is it a sheet of `review export`?"):
        raise DataError(f"{path} {fault}")


def require_few_rows(path: Path, row: int) -> None:
    """Refuse a sheet that goes on at this row (counted from 1) although it has as many as a sheet may have."""
    if row > MAX_ROWS:
        raise DataError(
            f"{path} has something in row {row:,} or below, and at most {MAX_ROWS:,} rows are read; delete the rows "
            "below the last item and save it again"
        )


def require_few_columns(path: Path, row: int, columns: int) -> None:
    if columns > MAX_COLUMNS:
        raise DataError(
            f"{path} has {columns:,} columns in row {row:,}, and at most {MAX_COLUMNS} are read; delete the columns "
            "right of the last question and save it again"
        )


def require_short_row(path: Path, row: int, characters: int) -> None:
    if characters > MAX_ROW_CHARACTERS:
        raise DataError(
            f"{path} has more than {MAX_ROW_CHARACTERS:,} characters in row {row:,}; is a quote or a line end missing "
            "there? Mend it and import the file again"
        )
