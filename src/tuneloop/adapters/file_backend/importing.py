"""From a file that somebody filled in to answers: good rows are taken, and each bad cell is named."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tuneloop.adapters.file_backend import sheets
from tuneloop.adapters.file_backend.sheets import Column, SheetRow, looks_alike, shown
from tuneloop.adapters.file_backend.stored_files import KeptSet
from tuneloop.adapters.file_backend.text_sheets import read_csv, read_json
from tuneloop.adapters.file_backend.workbooks import read_workbook, require_readable
from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer, ReviewItem
from tuneloop.review.collecting import FLAG, changed

READERS: Mapping[str, Callable[[Path], list[SheetRow]]] = {
    ".xlsx": read_workbook, ".xlsm": read_workbook, ".csv": read_csv, ".jsonl": read_json,
}  # fmt: skip
_RESPONSES = uuid.UUID("6f0f5a0e-0b52-4a7e-9f0b-5a6c1f3f7a11")
"""Namespace of response ids, so that they can be made again from set, item and reviewer."""
_SIDES: Mapping[str | None, Literal["answer", "alternative", "tie"]] = {"A": "answer", "B": "alternative", "tie": "tie"}
_QUOTED = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a cell; `column` is "" for a whole row. Where `is_kept`, the row counts all the same."""

    row: int
    column: str
    text: str
    is_kept: bool = False

    def __str__(self) -> str:
        place = f"row {self.row}, {self.column}" if self.column else f"row {self.row}"
        return f"{place}: {self.text}"


@dataclass
class Import:
    """What became of a file. `empty` rows are those that nobody has filled in yet."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    empty: int = 0
    faults: list[Fault] = field(default_factory=list)


def read_sheet(path: Path) -> list[SheetRow]:
    """The rows of a file, by the ending of its name.

    Raises:
        DataError: no such file, or none that can be read.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f"{path} is neither {', '.join(READERS)}; save it as one of these")
    require_readable(path)
    return reader(path)


def sets_in(path: Path) -> set[str]:
    """Names of the review sets that the rows of a file belong to.

    Raises:
        DataError: it cannot be read.
    """
    items = (row.cells.get(sheets.ITEM, "") for row in read_sheet(path))
    return {item.strip().rpartition("/")[0] for item in items if "/" in item}


def reviewer_id(name: str, key: bytes) -> str:
    """The pseudonym of a name; letters' case and blanks do not matter."""
    plain = " ".join(name.casefold().split())
    return "reviewer-" + hmac.new(key, f"file desk {plain}".encode(), hashlib.sha256).hexdigest()[:12]


def read_answers(
    rows: Sequence[SheetRow], sets: Iterable[KeptSet], *, reviewer: str, key: bytes, now: str
) -> tuple[list[ReviewAnswer], Import]:
    """The answers in the rows, one per item and reviewer, and what was wrong with the others.

    Args:
        rows: of one file.
        sets: all that were published.
        reviewer: whose file it is; a row's own `reviewer` cell goes before it.
        key: of the pseudonyms.
        now: submission time of what is read, ISO 8601 in UTC.
    """
    report = Import()
    items = {f"{kept.name}/{item.id}": (kept, item) for kept in sets for item in kept.items}
    _require_item_column(rows)
    found: dict[str, tuple[int, ReviewAnswer]] = {}
    for row in rows:
        if row.is_blank:
            continue
        known = items.get(row.cells.get(sheets.ITEM, "").strip())
        if known is None:
            report.faults.append(_unknown(row))
            continue
        reading = _RowReading(row, *known)
        answer = reading.answer(reviewer, key, now)
        report.faults += reading.faults
        if answer is None:
            report.empty += not reading.faults
        elif answer.response_id in found and found[answer.response_id][1] != answer:
            first = found[answer.response_id][0]
            report.faults.append(
                Fault(row.number, "", f"says something else of the item than row {first}, which counts")
            )
        else:
            found.setdefault(answer.response_id, (row.number, answer))
    return [answer for _, answer in found.values()], report


def _require_item_column(rows: Sequence[SheetRow]) -> None:
    if rows and not any(sheets.ITEM in row.cells for row in rows):
        raise DataError(
            "no column `item`: is this a file of `tuneloop review export`? Its first row must keep the columns' names"
        )


def _unknown(row: SheetRow) -> Fault:
    if row.faults and not row.cells:
        column, text = next(iter(row.faults.items()))
        return Fault(row.number, column, text)
    return Fault(
        row.number, sheets.ITEM, "names no item of this recipe's review sets; copy the cell from a fresh export"
    )


class _RowReading:
    """Reads one row; `faults` fills on the way."""

    def __init__(self, row: SheetRow, kept: KeptSet, item: ReviewItem) -> None:
        self._row, self._kept, self._item = row, kept, item
        self._asked = sheets.asked_columns(kept.form)
        self.faults: list[Fault] = []

    def answer(self, reviewer: str, key: bytes, now: str) -> ReviewAnswer | None:
        """None: nobody has filled it in, or something is wrong with it."""
        names = {column.name for column in self._asked} - {sheets.REVIEWER}
        if not any(self._row.cells.get(name, "").strip() or name in self._row.faults for name in names):
            return None
        said = {column.name: self._said(column) for column in self._asked}
        is_discarded = bool(said[sheets.DISCARD])
        if not is_discarded:
            self._miss(said)
        self._compare()
        name = " ".join(said[sheets.REVIEWER]) or reviewer
        if not name.strip():
            self._fault(sheets.REVIEWER, "is empty: write who filled in the row, or import with --reviewer NAME")
        if any(not fault.is_kept for fault in self.faults):
            return None
        return self._answer(said, reviewer_id(name, key), now, is_discarded=is_discarded)

    def _fault(self, column: str, text: str, *, is_kept: bool = False) -> None:
        self.faults.append(Fault(self._row.number, column, text, is_kept))

    def _said(self, column: Column) -> tuple[str, ...]:
        """What stands in the cell: nothing, a text, or choices."""
        if column.name in self._row.faults:
            self._fault(column.name, self._row.faults[column.name])
            return ()
        text = self._row.cells.get(column.name, "")
        if not text.strip():
            return ()
        if not column.choices:
            return (text,)
        parts = text.replace(";", ",").replace("\n", ",").split(",") if column.several else [text]
        words = [part.strip() for part in parts if part.strip()]
        known = {_plain(choice): choice for choice in column.choices}
        for word in words:
            if _plain(word) not in known:
                self._fault(column.name, f"{word[:_QUOTED]!r} is none of {', '.join(column.choices)}")
        return tuple(dict.fromkeys(known[_plain(word)] for word in words if _plain(word) in known))

    def _miss(self, said: Mapping[str, tuple[str, ...]]) -> None:
        for column in self._asked:
            is_pair = column.name != sheets.PREFERRED or self._item.alternative is not None
            has_fault = any(fault.column == column.name for fault in self.faults)
            if column.required and is_pair and not said[column.name] and not has_fault:
                self._fault(
                    column.name, "is empty, and the rest of the row is not; fill it in, or mark the row in `discard`"
                )

    def _compare(self) -> None:
        """What was published is what was judged: a changed cell is noticed, a mixed-up row refused."""
        published = sheets.shown_cells(self._item, self._kept.name, self._kept.form)
        for name, text in published.items():
            cell = self._row.cells.get(name)
            if name == sheets.ITEM or cell is None or looks_alike(cell, text) or looks_alike(cell, shown(text)):
                continue
            if self._stands_elsewhere(name, cell):
                self._fault(name, "belongs to another item: were the columns sorted apart? Sort whole rows only")
            else:
                self._fault(
                    name, "was changed; the published text counts (mended answers go into `correction`)", is_kept=True
                )

    def _stands_elsewhere(self, name: str, cell: str) -> bool:
        others = (sheets.shown_cells(item, self._kept.name, self._kept.form) for item in self._kept.items)
        return any(looks_alike(cell, other[name]) for other in others if other[name])

    def _answer(
        self, said: Mapping[str, tuple[str, ...]], reviewer: str, now: str, *, is_discarded: bool
    ) -> ReviewAnswer:
        def one(name: str) -> str | None:
            return next(iter(said.get(name, ())), None)

        item, form = self._item, self._kept.form
        rating, flag, preferred = one(sheets.RATING), one(sheets.FLAGGED), one(sheets.PREFERRED)
        words = {name: word for name in (sheets.FIT, sheets.FAILURE, sheets.SEVERITY) if (word := one(name))}
        neither = {sheets.VERDICT: sheets.NEITHER} if preferred == sheets.NEITHER else {}
        return ReviewAnswer(
            response_id=str(uuid.uuid5(_RESPONSES, f"{self._kept.name}/{item.id}/{reviewer}")),
            item_id=item.id,
            review_set=self._kept.name,
            kind=form.kind,
            reviewer=reviewer,
            submitted_at=now,
            status="discarded" if is_discarded else "submitted",
            prompt=item.prompt,
            answer=item.answer,
            model=item.model,
            alternative=item.alternative,
            alternative_model=item.alternative_model,
            rating=int(rating) if rating else None,
            issues=(*said.get(sheets.ISSUES, ()), *([FLAG + flag] if flag else [])),
            correction=changed(item.answer, one(sheets.CORRECTION)),
            dimensions={name: int(value) for name in form.dimensions if (value := one(name))},
            preferred=_SIDES.get(preferred),
            labels={**item.labels, **words, **neither},
        )


def _plain(word: str) -> str:
    """`Wrong fact` is `wrong_fact`; a spreadsheet's `4.0` is 4."""
    plain = word.strip().casefold().replace(" ", "_").replace("-", "_")
    return plain.removesuffix(".0").removesuffix(",0")
