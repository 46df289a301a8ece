"""Review sheets: what was exported, what people filled in, and the copies of what was imported.

A row that holds the words is emptied or taken out; where they are only the reviewer's name, the answers stay and the
pseudonym takes its place. A sheet of ours that nobody has written into is deleted: the backend makes it again.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tuneloop.review.rows import read_rows, write_rows
from tuneloop.workflows.forgetting.lines import erase_lines, parsed_object
from tuneloop.workflows.forgetting.rewriting import delete, write_bytes
from tuneloop.workflows.forgetting.wanted import ERASED, Gathered, Wanted

NOTES, KEPT, COPIES, IMPORTED = "written.jsonl", ".desk", "copies", "imported"
ITEM, REVIEWER = "item", "reviewer"
_PROPERTIES = ("creator", "lastModifiedBy", "title", "subject", "description", "keywords", "category", "identifier")


def erase_sheet(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """A sheet in any of the backend's three formats."""
    if wanted.stands_in_name(file.name):
        if write:
            _drop_note(file)
            delete(file)
        return 1
    erasers = {".xlsx": _erase_workbook, ".csv": _erase_csv, ".jsonl": _erase_json}
    new, count = erasers.get(file.suffix.lower(), _erase_other)(file, wanted, gathered)
    if count and write:
        _replace(file, new)
    return count


def erase_notes(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """What the backend remembers of the sheets that it wrote: a sheet's name can be a person's."""
    rows = read_rows(file)
    left = [row for row in rows if not (wanted.takes(row) or wanted.stands_in_name(str(row.get("name", ""))))]
    if write and len(left) < len(rows):
        write_rows(file, left)
    return len(rows) - len(left)


def _replace(file: Path, new: bytes) -> None:
    """A copy of an import is named by its content, which a guess could be tested with."""
    if file.parent.name == IMPORTED:
        target = file.with_name(f"{hashlib.sha256(new).hexdigest()[:16]}{file.suffix}")
        if new and not target.exists():
            target.touch(mode=0o600)
            write_bytes(target, new)
        delete(file)
        return
    is_ours = _drop_note(file)
    if is_ours or not new:
        delete(file)
    else:
        write_bytes(file, new)


def _drop_note(file: Path) -> bool:
    """Whether the sheet is as the backend wrote it; what the backend remembers of it goes."""
    backend = (file.parent.parent if file.parent.name == COPIES else file.parent) / KEPT
    rows = read_rows(backend / NOTES)
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    is_ours = any(row.get("name") == file.name and row.get("sha256") == content for row in rows)
    if any(row.get("name") == file.name for row in rows):
        write_rows(backend / NOTES, [row for row in rows if row.get("name") != file.name])
    return is_ours


def _erase_json(file: Path, wanted: Wanted, _: Gathered) -> tuple[bytes, int]:
    left, count = [], 0
    for line in file.read_bytes().split(b"\n"):
        text = line.decode("utf-8-sig", "replace")
        row = parsed_object(text)
        if row is None:
            new = b"" if wanted.stands_in(text) else line
        elif any(wanted.is_in(value) for name, value in row.items() if _plain(name) != REVIEWER):
            new = b""
        else:
            named = {n: wanted.name if wanted.is_in(value) else value for n, value in row.items()}
            new = line if named == row else json.dumps(named, ensure_ascii=False).encode("utf-8", "replace")
        count += new != line
        left.append(new)
    return b"\n".join(line for line in left if line) + b"\n", count


def _erase_other(file: Path, wanted: Wanted, gathered: Gathered) -> tuple[bytes, int]:
    count = erase_lines(file, wanted, gathered, write=False)
    text = file.read_text(encoding="utf-8", errors="surrogateescape") if count else ""
    return wanted.without_lines(text).encode("utf-8", "surrogateescape") if count else b"", count


def _erase_csv(file: Path, wanted: Wanted, _: Gathered) -> tuple[bytes, int]:
    text = _decoded(file.read_bytes())
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error:
        return b"", int(wanted.stands_in(text))
    names = _reviewer_columns(rows[0] if rows else [])
    left, count = [], 0
    for row in rows:
        new = _cells(row, names, wanted)
        count += new != row
        if new is not None:
            left.append(new)
    stream = io.StringIO(newline="")
    csv.writer(stream, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(left)
    return stream.getvalue().encode("utf-8-sig", "replace"), count


def _cells(row: list[str], names: set[int], wanted: Wanted) -> list[str] | None:
    """The row as it may stay; None: not at all."""
    if any(place not in names and wanted.stands_in(cell) for place, cell in enumerate(row)):
        return None
    return [wanted.name if place in names and wanted.stands_in(cell) else cell for place, cell in enumerate(row)]


def _erase_workbook(file: Path, wanted: Wanted, _: Gathered) -> tuple[bytes, int]:
    """The workbook written anew, so that no table of shared strings keeps what no cell shows any more."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(file)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError):
        return b"", int(wanted.stands_in(_everything(file.read_bytes())))
    count = sum(_erase_cells(sheet, wanted) for sheet in book.worksheets)
    for name in _PROPERTIES:
        value = getattr(book.properties, name, None)
        if isinstance(value, str) and wanted.stands_in(value):
            setattr(book.properties, name, ERASED)
            count += 1
    if not count:
        left = wanted.stands_in(_everything(file.read_bytes()))
        return b"", int(left)
    stream = io.BytesIO()
    book.save(stream)
    new = stream.getvalue()
    return (b"" if wanted.stands_in(_everything(new)) else new), count


def _erase_cells(sheet: Any, wanted: Wanted) -> int:
    header = [str(cell.value or "") for cell in next(sheet.iter_rows(max_row=1), ())]
    names, is_review, count = _reviewer_columns(header), ITEM in map(_plain, header), 0
    for row in sheet.iter_rows():
        for cell in row:
            if cell.comment is not None and wanted.stands_in(f"{cell.comment.text} {cell.comment.author}"):
                cell.comment, count = None, count + 1
        old = [str(cell.value) if cell.value is not None else "" for cell in row]
        touched = [place for place, text in enumerate(old) if text and wanted.stands_in(text)]
        is_name = all(place in names for place in touched)
        for place in touched:
            row[place].value = wanted.name if is_name else None
        if touched and is_review and not is_name and row[0].row > 1:
            for cell in row:
                cell.value = None
        count += bool(touched)
    return count


def _everything(content: bytes) -> str:
    """All texts of all parts of a workbook; of a file that is none, the file as text."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            texts = [parts.read(name).decode("utf-8", "replace") for name in parts.namelist()]
    except zipfile.BadZipFile:
        return content.decode("utf-8", "replace")
    return "\n".join([*texts, *(_without_tags(text) for text in texts)])


def _without_tags(text: str) -> str:
    return "".join(piece.rpartition(">")[2] for piece in text.split("<"))


def _reviewer_columns(header: Iterable[str]) -> set[int]:
    return {place for place, name in enumerate(header) if _plain(name) == REVIEWER}


def _plain(name: str) -> str:
    return name.strip().casefold()


def _decoded(content: bytes) -> str:
    wide = content[:2] in {b"\xff\xfe", b"\xfe\xff"}
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")
