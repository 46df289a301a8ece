"""When a task runs again: content keys for Prefect's cache, and retries while a server is away."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from prefect import Task

from tuneloop import __version__
from tuneloop.errors import ServiceError
from tuneloop.records import content_hash

RETRIES = 5
PAUSES_SECONDS = [3.0, 7.0, 15.0, 30.0, 60.0]
"""The stack brings a server that was killed back within a minute, when busy two."""

P = ParamSpec("P")
R = TypeVar("R")


def key(kind: str, **parts: Any) -> str:
    """Return a key that is also a legal file name; our version is part of it, as new code may give new results."""
    return f"{kind}-{content_hash({**parts, 'tuneloop': __version__})[:32]}"


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file; the empty string when there is none."""
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


def worth_repeating(_task: object, _run: object, state: Any) -> bool:
    """Whether a task failed because a server is away, which may come back; a refusal stays one."""
    return isinstance(state.result(raise_on_failure=False), ServiceError)
