"""JSONL files lose rows; JSON files, which have to stay whole, lose strings."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneloop.workflows.forgetting.rewriting import rewritten, write_bytes
from tuneloop.workflows.forgetting.text_files import erase_lines
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted

CODING, ERRORS = "utf-8", "surrogatepass"


def erase_rows(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """Take the lines out that are wanted; one that is not JSON goes if its text holds it."""
    return _erase(file, wanted, gathered, write=write, has_head=False)


def erase_rows_below_head(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """The same of a file whose first line describes the others: of that only strings are replaced."""
    return _erase(file, wanted, gathered, write=write, has_head=True)


def erase_strings_of_lines(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace strings in the lines of a ledger, all of which count and stay."""
    rows = [_parsed(line) for line in file.read_bytes().split(b"\n") if line.strip()]
    count = sum(map(wanted.counted, rows))
    if count and write:
        write_bytes(file, b"".join(_line(wanted.blanked(row)) for row in rows))
    return count


def erase_strings(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
    """Replace the strings of a JSON file in which it stands; what is not JSON is treated as text."""
    try:
        content = json.loads(file.read_text(encoding=CODING, errors=ERRORS))
    except ValueError:
        return erase_lines(file, wanted, gathered, write=write)
    count = wanted.counted(content)
    if count and write:
        text = json.dumps(wanted.blanked(content), ensure_ascii=False, indent=1)
        write_bytes(file, text.encode(CODING, ERRORS))
    return count


def read_objects(file: Path, *, holding: str = "") -> Iterator[dict[str, Any]]:
    """The JSON objects of a JSONL file, or those in whose line `holding` stands. Other lines are skipped."""
    if not file.is_file():
        return
    with file.open("rb") as lines:
        for line in lines:
            row = _parsed(line) if holding in line.decode(CODING, "replace") else None
            if isinstance(row, dict):
                yield row


def parsed_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    row = _parsed(text.encode(CODING, ERRORS))
    return row if isinstance(row, dict) else None


def _erase(file: Path, wanted: Wanted, gathered: Gathered, *, write: bool, has_head: bool) -> int:
    count = sum(1 for _, touched in _judged(file, wanted, gathered, has_head=has_head) if touched)
    if not (count and write):
        return count
    with held(file), rewritten(file) as draft, draft.open("wb") as stream:
        for line, _ in _judged(file, wanted, gathered, has_head=has_head):
            stream.write(line)
    return count


def _judged(file: Path, wanted: Wanted, gathered: Gathered, *, has_head: bool) -> Iterator[tuple[bytes, bool]]:
    """Each line as it is to be (empty: it goes), and whether that is another than it was."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            if not wanted.may_be_in(line.decode(CODING, "replace")):
                yield line, False
                continue
            row = _parsed(line)
            if has_head and number == 0 and isinstance(row, dict):
                touched = bool(wanted.counted(row))
                yield _line(wanted.blanked(row)) if touched else line, touched
            elif line.strip() and (left := wanted.left_of(row)) is not row:
                if left is None:
                    gathered.add(row)
                yield b"" if left is None else _line(left), True
            else:
                yield line, False


def _parsed(line: bytes) -> Any:
    text = line.decode(CODING, "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def _line(row: Any) -> bytes:
    return json.dumps(row, ensure_ascii=False, sort_keys=True).encode(CODING, ERRORS) + b"\n"


@contextmanager
def held(file: Path) -> Iterator[None]:
    """Whoever appends to the file takes the same lock, and looks afterwards whether it is still the same file."""
    with file.open("rb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
