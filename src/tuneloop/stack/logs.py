"""Read the services' log files, also while they grow and rotate."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines without their ends; none if there is no such file."""
    try:
        with path.open(encoding="utf-8", errors="replace") as handle:
            return [line.rstrip("\n") for line in deque(handle, maxlen=count)]
    except FileNotFoundError:
        return []


def follow(paths: Mapping[str, Path], *, pause_seconds: float = 0.3) -> Iterator[tuple[str, str]]:
    """(service, line) for all that is written after this call, for ever."""
    return _new_lines(paths, {name: _open_at_end(path) for name, path in paths.items()}, pause_seconds)


def _new_lines(
    paths: Mapping[str, Path], handles: dict[str, TextIO | None], pause_seconds: float
) -> Iterator[tuple[str, str]]:
    try:
        while True:
            for name, path in paths.items():
                yield from ((name, line.rstrip("\n")) for line in handles[name] or ())
                handles[name] = _reopened(handles[name], path)
            time.sleep(pause_seconds)
    finally:
        for handle in handles.values():
            if handle is not None:
                handle.close()


def _open_at_end(path: Path) -> TextIO | None:
    handle = _opened(path)
    if handle is not None:
        handle.seek(0, os.SEEK_END)
    return handle


def _reopened(handle: TextIO | None, path: Path) -> TextIO | None:
    """The same handle, or one on the new file when the old one was rotated away (or appears for the first time)."""
    if handle is None:
        return _opened(path)
    try:
        if path.stat().st_ino == os.fstat(handle.fileno()).st_ino:
            return handle
    except FileNotFoundError:
        return handle  # between the rename and the new file
    handle.close()
    return _opened(path)


def _opened(path: Path) -> TextIO | None:
    try:
        return path.open(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
