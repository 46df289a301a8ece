"""Content keys for Prefect's cache, and the check that what a cached result points at is still there."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task

from tuneloop import __version__
from tuneloop.records import content_hash

P = ParamSpec("P")
R = TypeVar("R")


def key(kind: str, **parts: Any) -> str:
    """A cache key that is also a legal file name; our version is part of it, as new code may give new results."""
    return f"{kind}-{content_hash({**parts, 'tuneloop': __version__})[:32]}"


def file_hash(path: Path) -> str:
    """SHA-256 of a file; the empty string when there is none."""
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def run_cached(task: Task[P, R], files: Callable[[R], Iterable[str]], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a cached task; when a file that its result names has been deleted since, call it again without the cache."""
    result = task(*args, **kwargs)
    if all(Path(file).exists() for file in files(result)):
        return result
    return task.with_options(refresh_cache=True)(*args, **kwargs)
