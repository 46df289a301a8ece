"""Markdown whose text cannot format, link or load anything, wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tuneloop.reports.data.tables import cell

# What formats anywhere in a line; what turns an address into a link by itself; what formats at the start of a line.
# An underscore inside a word is left, so that names of metrics can be read in the raw text too.
_INLINE = re.compile(r"([\\`*\[\]|<>~$&]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.|@)", re.IGNORECASE)
_LEADING = re.compile(r"^(?:([#+=-])|(\d+)([.)])(?=\s|$))")


def plain(text: str) -> str:
    """`text` on one line, with everything escaped that Markdown or HTML would read."""
    escaped = _INLINE.sub(r"\\\1", " ".join(text.split()))
    return _LEADING.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", escaped)


def code(text: str) -> str:
    """`text` as code: nothing is read in there but the backtick that ends it."""
    return f"`{' '.join(str(text).replace('`', ' ').split()) or ' '}`"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table; the columns are those of the first row. Numbers are aligned to the right; "" without rows."""
    if not rows:
        return ""
    first = rows[0]
    sides = ["---:" if isinstance(value, int | float) else "---" for value in first.values()]
    cells = [[plain(cell(row.get(name))) for name in first] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(map(plain, first)), sides, *cells])
