"""Sheets as Excel workbooks: wide columns, lists to choose from, and what is to be judged is locked."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.adapters.file_desk.cells import for_workbook, from_workbook
from tuneloop.adapters.file_desk.columns import CORRECTION, ITEM, Column
from tuneloop.adapters.file_desk.limits import require_few_columns, require_few_rows
from tuneloop.adapters.file_desk.sheet_rows import SheetRow, column_name
from tuneloop.adapters.file_desk.workbook_archives import require_sound_archive
from tuneloop.errors import DataError

SHEET, GUIDELINES = "Review", "Guidelines"
_WIDTHS = {ITEM: 14.0, CORRECTION: 60.0}
_WIDE, _NARROW = 60.0, 15.0
_LONGEST_LIST = 255
"""Characters that a list of choices may have in a workbook."""

UNREADABLE = (
    SyntaxError, LookupError, ValueError, TypeError, AttributeError, NameError, ArithmeticError, OSError, EOFError,
    RecursionError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What openpyxl and the XML parsers under it raise at what they do not understand."""


def workbook(
    shown: Sequence[str], asked: Sequence[Column], rows: Iterable[Mapping[str, str]], guidelines: str
) -> bytes:
    """The file's content. Columns in `shown` are locked (without a password: against slips, not against people)."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    header = [*shown, *(column.name for column in asked)]
    for number, row in enumerate(({name: name for name in header}, *rows), start=1):
        for place, name in enumerate(header, start=1):
            _put(sheet.cell(number, place), row.get(name, ""), locked=number == 1 or name in shown)
    _lay_out(sheet, header, asked)
    _explain(book.create_sheet(GUIDELINES), asked, guidelines)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def read_workbook(path: Path) -> list[SheetRow]:
    """All rows of its first sheet below the header. Formulas, dates and truth values are faults: their text is lost.

    Read row by row, and a formula is a text that is never computed.

    Raises:
        DataError: it is not a workbook, or larger than a sheet can be.
    """
    from openpyxl import load_workbook

    require_sound_archive(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of features that a sheet has no use for
        try:
            book = load_workbook(path, read_only=True, keep_links=False)
            try:
                return list(_rows(book, path))
            finally:
                book.close()
        except UNREADABLE as error:
            problem = type(error).__name__
            raise DataError(
                f"{path} is not an .xlsx workbook, or a damaged one ({problem}); save it again as one, or as "
                "`CSV UTF-8`"
            ) from error


def _rows(book: Any, path: Path) -> Iterator[SheetRow]:
    sheet = book[SHEET] if SHEET in book.sheetnames else book.worksheets[0]
    sheet.reset_dimensions()  # what the file says of its size need not be so
    header: list[str] = []
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        require_few_rows(path, number)
        require_few_columns(path, number, len(cells))
        if number == 1:
            header = [column_name(str(cell.value or "")) for cell in cells]
        else:
            yield _row(number, dict(zip(header, cells, strict=False)))


def _put(cell: Any, text: str, *, locked: bool) -> None:
    from openpyxl.styles import Alignment, Protection

    cell.value = for_workbook(text) or None
    if text:
        cell.data_type = "s"  # else a text that begins with = becomes a formula
    cell.quotePrefix = True
    cell.number_format = "@"
    cell.alignment = Alignment(wrap_text=True, vertical="top")
    cell.protection = Protection(locked=locked)


def _lay_out(sheet: Any, header: Sequence[str], asked: Sequence[Column]) -> None:
    from openpyxl.comments import Comment
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    by_name = {column.name: column for column in asked}
    for place, name in enumerate(header, start=1):
        letter, column = get_column_letter(place), by_name.get(name)
        sheet.cell(1, place).font = Font(bold=True)
        sheet.column_dimensions[letter].width = _WIDTHS.get(name, _NARROW if column else _WIDE)
        if column is None:
            continue
        sheet.cell(1, place).comment = Comment(column.explanation, "tuneloop", height=120, width=300)
        choices = ",".join(column.choices)
        if choices and not column.several and len(choices) <= _LONGEST_LIST:
            rule = DataValidation("list", formula1=f'"{choices}"', allow_blank=True, showErrorMessage=True)
            rule.error = column.explanation[:200]
            sheet.add_data_validation(rule)
            rule.add(f"{letter}2:{letter}{max(sheet.max_row, 2)}")
    sheet.freeze_panes = "B2"
    sheet.protection.sheet = True
    for allowed in ("formatCells", "formatColumns", "formatRows"):
        setattr(sheet.protection, allowed, False)  # False: not forbidden


def _explain(sheet: Any, asked: Sequence[Column], guidelines: str) -> None:
    for column in asked:
        sheet.append([column.name, column.explanation + (" (needed)" if column.required else "")])
    sheet.append([])
    for line in guidelines.splitlines():
        sheet.append(["", ""])
        _put(sheet.cell(sheet.max_row, 2), line[:32_000], locked=True)
    sheet.column_dimensions["A"].width, sheet.column_dimensions["B"].width = _NARROW, 2 * _WIDE


def _row(number: int, cells: Mapping[str, Any]) -> SheetRow:
    texts: dict[str, str] = {}
    faults: dict[str, str] = {}
    for name, cell in cells.items():
        if not name or cell.value is None:
            continue
        if cell.data_type == "f":
            faults[name] = "holds a formula; type an apostrophe (') before the text"
        elif cell.data_type in {"d", "b", "e"}:
            faults[name] = "was turned into a date, a truth value or an error; type an apostrophe (') before the text"
        else:
            texts[name] = _text(cell.value)
    return SheetRow(number, texts, faults)


def _text(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return from_workbook(value) if isinstance(value, str) else str(value)
