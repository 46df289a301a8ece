"""One process of a training: `torchrun --nproc-per-node 2 -m tuneloop.training ARGUMENTS.json`.

ARGUMENTS.json is a `TrainingCall`. Without torchrun it trains in this process alone.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path

from tuneloop.errors import TuneloopError
from tuneloop.training.distributed import part
from tuneloop.training.fine_tuning import fine_tune
from tuneloop.training.launching import PROGRESS, Failure, TrainingCall, append_loss, leave_failure

SPEAKING = (TuneloopError, RuntimeError, OSError)
"""Errors whose message is passed on: ours, torch's and the system's. Any other may quote a row."""


def main(path: str) -> int:
    """Train; returns the exit code."""
    rank = int(os.environ.get("RANK", "0"))
    logging.basicConfig(level=logging.INFO if rank == 0 else logging.WARNING, format="%(levelname)s %(message)s")
    call = TrainingCall.model_validate_json(Path(path).read_bytes())
    if call.exchange is not None and rank == 0:
        threading.Thread(target=_end_with_launching_process, name="launching process", daemon=True).start()
    try:
        _train(call, reports=rank == 0)
    except Exception as error:
        if call.exchange is not None:
            leave_failure(call.exchange, _failure(rank, error))
        if isinstance(error, TuneloopError):
            print(error, file=sys.stderr)
            return 1
        raise
    part()
    return 0


def _train(call: TrainingCall, *, reports: bool) -> None:
    arguments = call.arguments()
    if call.exchange is None or not reports:
        fine_tune(**arguments)
        return
    with (call.exchange / PROGRESS).open("a", encoding="utf-8") as file:
        fine_tune(**arguments, on_progress=partial(append_loss, file))


def _end_with_launching_process() -> None:
    """Standard input ends when the launching process does, however it dies; an orphan would train on for nobody."""
    while os.read(0, 1):  # not sys.stdin: its lock, held by this thread, would abort the interpreter at its end
        pass
    os._exit(os.EX_TEMPFAIL)


def _failure(rank: int, error: Exception) -> Failure:
    kind = type(error).__name__
    place = traceback.extract_tb(error.__traceback__)[-1]
    says = f"{kind}: {error}" if isinstance(error, SPEAKING) else kind
    known = isinstance(error, TuneloopError)
    text = str(error) if known else f"{says} ({Path(place.filename).name}, line {place.lineno})"
    return Failure(rank=rank, known=known, text=text, at=time.time())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
