"""The attempts at one flow run: a crashed run is started again, by itself, but not for ever and not twice at once."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import get_run_logger
from prefect.exceptions import Abort
from prefect.runtime import flow_run

from tasks import wiring
from tuneloop.errors import TuneloopError

MAX_ATTEMPTS = 4


@contextmanager
def only_attempt() -> Iterator[None]:
    """Do the work of this run, unless it has crashed too often, or another process is at it.

    A crash is reported by Prefect's runner, its worker and our keeper, seconds apart, so that a run may be started
    twice. The second process ends at once and leaves the run's state to the first.

    Raises:
        TuneloopError: it has crashed four times.
    """
    if flow_run.get_run_count() > MAX_ATTEMPTS:
        raise TuneloopError(
            f"this run has crashed {MAX_ATTEMPTS} times; look at the worker's log before starting another"
        )
    file = _lock_file(flow_run.get_id())
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            get_run_logger().warning("this run has a process already: this second one ends")
            raise Abort("another process carries out this run") from None
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _lock_file(run_id: str) -> Path:
    folder = wiring.workspace() / "run" / "attempts"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / f"{run_id}.lock"
