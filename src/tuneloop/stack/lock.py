"""One `up` or `down` at a time in a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tuneloop.errors import ServiceError
from tuneloop.files import lock


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 300.0) -> Iterator[None]:
    """Hold the lock file.

    Raises:
        ServiceError: another process kept it for `timeout_seconds`.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(path, timeout_seconds=timeout_seconds))
        except TimeoutError as error:
            raise ServiceError(
                f"another tuneloop command has been starting or stopping {path.parent} for {timeout_seconds:.0f} s: "
                "wait for it or end it"
            ) from error
        yield
