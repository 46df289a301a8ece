"""Sheets as Excel workbooks, read within limits on rows, columns and unpacked bytes."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tuneloop.adapters.file_backend.sheets import (
    CORRECTION,
    ITEM,
    Column,
    SheetRow,
    column_name,
    for_workbook,
    from_workbook,
)
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


# A workbook is a zip archive of XML files. Bombs hide in both: a few kilobytes that unpack to gigabytes, entities that
# expand, millions of empty elements each of which becomes an object.


MAX_MEMBERS = 500
MAX_MEMBER_BYTES = 48 * MIB
MAX_UNPACKED_BYTES = 96 * MIB
MAX_TAGS = 1_500_000
"""Over all members. openpyxl needs some six microseconds for each, and a filled-in cell has four or five."""

_BLOCK = 256 * 1024
_DIRECTORY_ENTRY = b"PK\x01\x02"
_OLD_WORKBOOK = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Also how a workbook with a password begins."""
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""All that the format allows (ECMA-376 part 2); others can ask for gigabytes of memory to unpack a byte."""
_ENCRYPTED = 0x1
_DECLARATIONS = (b"<!DOCTYPE", b"<!ENTITY")
_LONGEST_DECLARATION = max(map(len, _DECLARATIONS))
_SAVE_AGAIN = "save the sheet again as .xlsx, or as `CSV UTF-8`"


def require_sound_archive(path: Path) -> None:
    """Unpack everything once, into nothing, and stop where it is more than a sheet can be.

    Raises:
        DataError: it is no such archive, or its content is too large, or declares entities. Names the file.
    """
    content = path.read_bytes()
    if content.startswith(_OLD_WORKBOOK):
        raise DataError(f"{path} is an old .xls workbook, or has a password; {_SAVE_AGAIN}, without a password")
    if content.count(_DIRECTORY_ENTRY) > MAX_MEMBERS:  # before zipfile makes an object of each
        raise DataError(f"{path} is no workbook: it packs more than {MAX_MEMBERS} files; {_SAVE_AGAIN}")
    try:
        with zipfile.ZipFile(path) as archive:
            _measure(archive, path)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError) as error:
        raise DataError(f"{path} is not an .xlsx workbook, or a damaged one ({error}); {_SAVE_AGAIN}") from error


def _measure(archive: zipfile.ZipFile, path: Path) -> None:
    unpacked, tags = 0, 0
    for member in archive.infolist():
        if member.flag_bits & _ENCRYPTED or member.compress_type not in _PACKINGS:
            raise DataError(f"{path} has a password or is packed in an unusual way; {_SAVE_AGAIN}, without a password")
        size = 0
        ending = b""
        with archive.open(member) as stream:
            while block := stream.read(_BLOCK):
                size += len(block)
                tags += block.count(b"<")
                _require_small(path, member.filename, size, unpacked + size, tags)
                _require_plain_xml(path, member.filename, ending + block)
                ending = block[-_LONGEST_DECLARATION:]
        unpacked += size


def _require_small(path: Path, member: str, size: int, unpacked: int, tags: int) -> None:
    if size > MAX_MEMBER_BYTES or unpacked > MAX_UNPACKED_BYTES:
        raise DataError(
            f"{path} unpacks to more than a sheet can be ({MAX_MEMBER_BYTES // MIB} MiB a part, "
            f"{MAX_UNPACKED_BYTES // MIB} MiB in all; {member[:80]!r} is beyond that); copy the filled-in rows into a "
            "fresh export"
        )
    if tags > MAX_TAGS:
        raise DataError(
            f"{path} holds more than {MAX_TAGS:,} XML elements, more than a sheet can have; copy the filled-in rows "
            "into a fresh export"
        )


def _require_plain_xml(path: Path, member: str, block: bytes) -> None:
    """No entities, and no encoding in which they could hide: whatever expat or libxml2 reads keeps ASCII as it is,
    but for UTF-16 and UTF-32, which have NUL bytes."""
    if not member.endswith((".xml", ".rels", ".vml")):
        return
    if b"\0" in block or any(mark in block for mark in _DECLARATIONS):
        raise DataError(
            f"{path} declares entities or hides its encoding in {member[:80]!r}, which no spreadsheet program does; "
            f"{_SAVE_AGAIN}"
        )


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
