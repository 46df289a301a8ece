"""A row of a sheet, whatever kind of file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class SheetRow:
    """`number` is the row as a spreadsheet program counts them (a JSONL file: the line).

    `cells` are texts by column; `faults` says of a cell why it cannot be read.
    """

    number: int
    cells: Mapping[str, str]
    faults: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_blank(self) -> bool:
        return not self.faults and not any(text.strip() for text in self.cells.values())


def column_name(header: str) -> str:
    """Headers survive a changed case and stray blanks."""
    name = header.strip()
    return name if name in {"A", "B"} else name.casefold()
