"""Files of the review folder: private JSONL, replaced as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneloop.files import DRAFT, lock, read_jsonl, write_jsonl


def read_rows(file: Path) -> list[dict[str, Any]]:
    """Return all rows of a file; a file that does not exist has none.

    Raises:
        DataError: a line is not a JSON object.
    """
    return list(read_jsonl(file))


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace the file by these rows."""
    write_jsonl(file, (dict(sorted(row.items())) for row in rows))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the kernel lets go when the holder dies, however it dies.

    What such a holder had half written is deleted: it can hold a reviewer's words, where `tuneloop forget` would miss
    them.
    """
    with lock(folder / ".lock"):
        for left_behind in (*folder.glob(f".*{DRAFT}"), *folder.glob(".*.new")):
            left_behind.unlink()
        yield
