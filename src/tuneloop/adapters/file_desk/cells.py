"""Texts in cells: what a spreadsheet program would take for something else, and how it is kept from doing so.

A text that begins with `=`, `+`, `-`, `@` or a control character is a formula to spreadsheet programs, which may call
out of the file (CWE-1236). In CSV an apostrophe before it prevents that; in a workbook the cell's type does.
"""

from __future__ import annotations

import re

LONGEST = 32_000
"""Excel's cells end at 32,767 UTF-16 units and are cut there without a word."""
CUT = "\n[cut here: the whole text is in the .jsonl file]"

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001 (full-width signs start formulas in some locales)
_GUARDED = re.compile(r"'+[=+\-@\t\r\n\0＝＋－＠]")  # noqa: RUF001
_UNFIT_FOR_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def guarded(text: str) -> str:
    """The text as CSV may hold it."""
    return f"'{text}" if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """What `guarded` was given."""
    return text[1:] if _GUARDED.match(text) else text


def for_workbook(text: str) -> str:
    """Signs that XML cannot hold or would change, as OOXML writes them: `_x000D_` (ECMA-376, ST_Xstring)."""
    return _UNFIT_FOR_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", text)


def from_workbook(text: str) -> str:
    """What `for_workbook` was given."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def shown(text: str) -> str:
    """A text that fits into a cell: a longer one is cut and says so, and what no file can hold becomes a `?`."""
    text = text.encode(errors="replace").decode().replace("\r\n", "\n").replace("\0", "\ufffd")
    if _units(text) <= LONGEST:
        return text
    return _cut(text, LONGEST) + CUT


def looks_alike(one: str, other: str) -> bool:
    """Whether two texts differ by nothing that a spreadsheet program changes on its own."""
    return _essence(one) == _essence(other)


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _cut(text: str, units: int) -> str:
    return text.encode("utf-16-le")[: units * 2].decode("utf-16-le", "ignore")


def _essence(text: str) -> str:
    """White space, line ends and signs that have no place in a cell do not count."""
    return " ".join(re.sub(r"[\x00-\x20\ufffd-\uffff]+", " ", unguarded(text)).split())
