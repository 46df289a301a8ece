"""One `up` or `down` at a time in a workspace."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop.errors import ServiceError


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 300.0) -> Iterator[None]:
    """Hold the lock file; the kernel lets go of it when this process ends, however it ends.

    Raises:
        ServiceError: another process kept it for `timeout_seconds`.
    """
    deadline = time.monotonic() + timeout_seconds
    with path.open("a") as handle:
        path.chmod(0o600)
        while not _taken(handle.fileno()):
            if time.monotonic() > deadline:
                raise ServiceError(
                    f"another tuneloop command has been starting or stopping {path.parent} for "
                    f"{timeout_seconds:.0f} s: wait for it or end it"
                )
            time.sleep(0.1)
        yield


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
