"""A set of two questions about tea, and a hand that fills in sheets as spreadsheet programs do."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path

from tuneloop.adapters.file_backend import FileBackend
from tuneloop.ports import ReviewForm, ReviewItem

KEY = b"k" * 32
FORM = ReviewForm(
    "Be kind.\n\n# Rules", issue_tags=("wrong_fact", "style"), dimensions=("factuality",), min_submitted=2
)


def item(number: int = 1, *, prompt: str | None = None, answer: str | None = None, **other) -> ReviewItem:
    told = {"prompt": f"Is tea {number} green?" if prompt is None else prompt}
    told["answer"] = f"Tea {number} is black." if answer is None else answer
    return ReviewItem(id=f"i{number}", model="abc123", scores={"rouge": 0.5}, **(told | other))


def backend_in(folder: Path) -> FileBackend:
    return FileBackend(folder / "desk", pseudonym_key=KEY)


def sheet(folder: Path, ending: str, name: str = "tea-round-1") -> Path:
    return folder / "desk" / f"{name}{ending}"


def fill(path: Path, said: Mapping[int, Mapping[str, object]], *, to: Path | None = None) -> Path:
    """Write `said` (item's place from 1 -> column -> value) into a copy of the sheet."""
    to = to or path.with_name(f"filled{path.suffix}")
    if path.suffix == ".xlsx":
        _fill_workbook(path, said, to)
    elif path.suffix == ".csv":
        rows = list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline="")))
        for place, values in said.items():
            for name, value in values.items():
                rows[place][rows[0].index(name)] = str(value)
        stream = io.StringIO(newline="")
        csv.writer(stream).writerows(rows)
        to.write_bytes(stream.getvalue().encode("utf-8-sig"))
    else:
        lines = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line]
        for place, values in said.items():
            lines[place - 1] |= values
        to.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return to


def _fill_workbook(path: Path, said: Mapping[int, Mapping[str, object]], to: Path) -> None:
    from openpyxl import load_workbook

    book = load_workbook(path)
    names = [cell.value for cell in next(book["Review"].iter_rows())]
    for place, values in said.items():
        for name, value in values.items():
            cell = book["Review"].cell(place + 1, names.index(name) + 1)
            cell.value = value
            if isinstance(value, str) and not getattr(value, "is_formula", False):
                cell.data_type = "s"
    book.save(to)


class Formula(str):
    """What somebody types with an equals sign."""

    __slots__ = ()
    is_formula = True
