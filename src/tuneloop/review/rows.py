"""Private JSONL files of the review folder: whole files are replaced at once, so a kill leaves the old or the new."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError


def read_rows(file: Path) -> list[dict[str, Any]]:
    """All rows of a JSONL file; a file that is not there has none.

    Raises:
        DataError: a line is not a JSON object.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        return []
    return [_parsed(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows (mode 0600, on the disk before the name changes hands)."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as stream:
        stream.writelines(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go when the holder dies, however it dies.

    What such a holder had half written is deleted: it can hold people's words, which nobody would find there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        for left_behind in folder.glob(".*.new"):
            left_behind.unlink()
        yield


def _parsed(line: str, file: Path, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{file} line {number} is not JSON; mend the line or delete it, then run again") from error
    if not isinstance(row, dict):
        raise DataError(f"{file} line {number} is not a JSON object; mend the line or delete it, then run again")
    return row
