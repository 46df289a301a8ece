"""Erase words from files of lines: text, JSON, JSONL and audit trails."""

from __future__ import annotations

import fcntl
import html
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.workflows.forgetting.rewriting import delete, rewritten, write_bytes
from tuneloop.workflows.forgetting.wanted import ERASED, Gathered, Wanted

_TAG = re.compile(r"(<[^>]*>)")
_VALUE = re.compile(r"\"[^\"]*\"|'[^']*'")


def erase_lines(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the lines of a text in which it stands."""
    text = file.read_text(encoding="utf-8", errors="surrogateescape")
    count = sum(map(wanted.stands_in, text.split("\n"))) or int(wanted.stands_in(text))
    if count and write:
        write_bytes(file, wanted.without_lines(text).encode("utf-8", "surrogateescape"))
    return count


def erase_pieces(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the texts and attributes of a page in which it stands; a page in which tags part it is deleted."""
    page = file.read_text(encoding="utf-8", errors="surrogateescape")
    pieces = _TAG.split(page)
    new = [_without(piece, wanted) for piece in pieces]
    count = sum(old != piece for old, piece in zip(pieces, new, strict=True))
    left = "".join(new)
    is_parted = wanted.stands_in(_text_of(left))
    if write and is_parted:
        delete(file)
    elif write and count:
        write_bytes(file, left.encode("utf-8", "surrogateescape"))
    return count or int(is_parted)


def _without(piece: str, wanted: Wanted) -> str:
    is_touched = wanted.counted(html.unescape(piece).strip()) or wanted.stands_in(piece)
    if not is_touched:
        return piece
    if piece.startswith("<"):
        tag = _VALUE.sub(lambda value: f'"{ERASED}"' if wanted.stands_in(value[0]) else value[0], piece)
        return "" if wanted.stands_in(tag) else tag
    return ERASED


def _text_of(page: str) -> str:
    return html.unescape(_TAG.sub("", page))


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


def erase_from_trail(file: Path, wanted: Wanted, _: Gathered, *, write: bool) -> int:
    """Replace the words in a trail and seal it anew, line by line."""
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    count = sum(wanted.stands_in(line) for line in lines)
    if count and write:
        trail = _trail(file)
        with trail.held():
            trail.reseal(wanted.blanked)
    return count


def changed_seals(workspace: Path, wanted: Wanted) -> dict[str, str]:
    """Seals that the registry keeps too -> what they become: found before anything is written."""
    seals: dict[str, str] = {}
    for file in sorted((workspace / "promotions").glob("*.jsonl")):
        if wanted.stands_in(file.read_text(encoding="utf-8", errors="replace")):
            seals |= _trail(file).resealed(wanted.blanked)[1]
    return seals


def changed_verdicts(workspace: Path, wanted: Wanted) -> list[str]:
    """Rounds whose signed verdict names what is erased; it no longer verifies afterwards."""
    found = []
    for file in sorted((workspace / "rounds").glob("*/[0-9]*.json")):
        try:
            verdict = json.loads(file.read_text(encoding="utf-8")).get("verdict")
        except (ValueError, AttributeError):
            continue
        if wanted.counted(verdict):
            found.append(f"{file.parent.name} round {file.stem}")
    return found


def _trail(file: Path) -> AuditTrail:
    workspace = file.parent.parent
    return AuditTrail(workspace, file.stem, signing_key(workspace))
