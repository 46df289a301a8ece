"""Hashing models' folders with a bar for those that take a while."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

    from tuneloop.files import DigestsOf

LARGE_BYTES = 500_000_000
"""Folders from here on are shown: about half a second's work."""


@contextmanager
def shown_hashing() -> Iterator[DigestsOf]:
    """A `DigestsOf` for one command: each folder is read once, and a large one is told of on the error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("checking {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    known: dict[Path, Mapping[str, str]] = {}
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:

        def digests_of(folder: Path) -> Mapping[str, str]:
            if folder not in known:
                known[folder] = _shown(folder, progress)
            return known[folder]

        yield digests_of


def _shown(folder: Path, progress: Progress) -> Mapping[str, str]:
    from tuneloop.files import file_digests, folder_bytes

    size = folder_bytes(folder)
    if size < LARGE_BYTES:
        return file_digests(folder)
    if progress.disable:
        print(f"checking {folder} ({size / 1e9:.1f} GB)", file=sys.stderr)
    task = progress.add_task(folder.name, total=size)
    found = file_digests(folder, lambda count: progress.advance(task, count))
    progress.remove_task(task)
    return found
