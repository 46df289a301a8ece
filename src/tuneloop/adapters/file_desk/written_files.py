"""Files that people may write into: ours are replaced, theirs are left alone."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from tuneloop.files import atomic_write
from tuneloop.review.rows import read_rows, write_rows

WRITTEN = "written.jsonl"


def write_unless_changed(path: Path, make: Callable[[], bytes], *, meaning: str, notes: Path) -> Path:
    """Write the file unless it is there, beside it if somebody has written into an earlier one; returns where it is.

    `make` gives the content. Workbooks carry the time at which they were made, so `meaning` tells equal ones; the
    folder `notes` remembers what was written.
    """
    known = {row["name"]: row for row in read_rows(notes / WRITTEN)}
    target, number = path, 1
    while target.is_file():
        note = known.get(target.name, {})
        if note.get("meaning") == meaning:
            return target  # whether or not somebody has begun to fill it in
        if note.get("sha256") == _sha256(target.read_bytes()):
            break  # ours, and out of date
        number += 1
        target = path.with_stem(f"{path.stem}-{number}")
    content = make()
    atomic_write(target, content)
    # Last: a kill before this line leaves a file that counts as somebody else's, and a fresh one beside it next time.
    known[target.name] = {"name": target.name, "meaning": meaning, "sha256": _sha256(content)}
    write_rows(notes / WRITTEN, known.values())
    return target


def keep_copy(path: Path, folder: Path) -> None:
    """Keep the file as it is, once, whatever becomes of the original."""
    content = path.read_bytes()
    copy = folder / f"{_sha256(content)[:16]}{path.suffix.lower()}"
    if not copy.exists():
        atomic_write(copy, content)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
