"""One row as it stands in a file, before anybody knows what it means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_ROW_BYTES = 4 * 1024 * 1024
"""A row beyond this is no training example; it is skipped without being held in memory."""


@dataclass(frozen=True, slots=True)
class RawRow:
    """What stands on one line (1-based; in Parquet and JSON: one row). Either `value` or `problem` is set.

    `problem` is (reason, detail); neither repeats any text of the row. `raw` is the row's text where the file has one.
    """

    line: int
    value: Any = None
    problem: tuple[str, str] | None = None
    raw: str | None = None


def is_encodable(text: str) -> bool:
    """Not so with half of a surrogate pair inside, which no UTF-8 file can hold: it would break everything after us."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
