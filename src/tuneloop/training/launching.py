"""Fine-tuning in processes of their own, by torchrun or `accelerate launch`, with the same call and the same report."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import TrainingReport
from tuneloop.training.checkpoints import REPORT
from tuneloop.training.fine_tuning import fine_tune

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress

log = logging.getLogger(__name__)
EXCHANGE = "launch"
PROGRESS, LOG = "progress.jsonl", "log.txt"
LOOK_EVERY_SECONDS = 0.5
GRACE_SECONDS = 40
"""torchrun gives its processes 30 seconds to end before it kills them."""


class TrainingCall(BaseModel):
    """The arguments of `fine_tune` as JSON: what `python -m tuneloop.training` reads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base: Path
    train_file: Path
    validation_file: Path
    out: Path
    system_prompt: str
    max_tokens: int
    config: Training
    data_version: str
    start: Path | None = None
    threads: int | None = None
    merge: bool = True
    exchange: Path | None = Field(
        default=None, description="folder for losses and errors, on a disk all machines share; set by `launch`"
    )

    def arguments(self) -> dict[str, Any]:
        """For `fine_tune`, in this process."""
        return {name: getattr(self, name) for name in TrainingCall.model_fields if name != "exchange"}


class Failure(BaseModel):
    """Why a process ended, without any row's text. `known`: an error of ours, so the cause rather than an echo."""

    rank: int
    known: bool
    text: str
    at: float


def carry_out(
    call: TrainingCall, launcher: str | None, *, on_progress: Callable[[Progress], None] | None = None
) -> TrainingReport:
    """Train in processes of their own if there is a launcher (see `launch`), else in this one (see `fine_tune`)."""
    if launcher:
        return launch(launcher, call, on_progress=on_progress)
    return fine_tune(**call.arguments(), on_progress=on_progress)


def launch(
    launcher: str, call: TrainingCall, *, on_progress: Callable[[Progress], None] | None = None
) -> TrainingReport:
    """Run `LAUNCHER -m tuneloop.training` to its end; when this process is stopped or dies, so does what it started.

    Args:
        launcher: such as `torchrun --nproc-per-node 8` or `accelerate launch --config_file ddp.yaml`.
        call: what to train.
        on_progress: called with every loss; what it raises is logged, not passed on.

    Raises:
        TrainingError: there is no such launcher, or a process failed; what they printed is in `out/launch/log.txt`.
    """
    exchange = call.out / EXCHANGE
    shutil.rmtree(exchange, ignore_errors=True)
    exchange.mkdir(parents=True)
    arguments = exchange / "arguments.json"
    arguments.write_text(call.model_copy(update={"exchange": exchange}).model_dump_json(), encoding="utf-8")
    command = [*_command(launcher), "-m", "tuneloop.training", str(arguments)]
    losses = _Losses(exchange / PROGRESS, on_progress)
    with _running(command, exchange / LOG) as process:
        while process.poll() is None:
            losses.deliver()
            time.sleep(LOOK_EVERY_SECONDS)
    losses.deliver()
    if process.returncode:
        raise TrainingError(_why(exchange, launcher, process.returncode))
    report = TrainingReport.model_validate_json((call.out / REPORT).read_bytes())
    shutil.rmtree(exchange)
    return report


def _command(launcher: str) -> list[str]:
    """The launcher's words, its program taken from this interpreter's environment before any other's."""
    program, *options = shlex.split(launcher) or [""]
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    found = shutil.which(program, path=places)
    if found is None:
        raise TrainingError(f"no launcher `{program}` is installed: look at TUNELOOP_LAUNCHER, or unset it")
    return [found, *options]


@contextmanager
def _running(command: list[str], log_file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command, while the block runs. It watches its standard input, which closes even if we are killed."""
    with log_file.open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        if process.poll() is None:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the launcher kindly: its processes have sessions of their own, and only it can end them."""
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Losses:
    """Reads whole lines that have come since the last look."""

    def __init__(self, path: Path, on_progress: Callable[[Progress], None] | None) -> None:
        self._path, self._on_progress, self._read = path, on_progress, 0

    def deliver(self) -> None:
        if self._on_progress is None or not self._path.is_file():
            return
        with self._path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        from tuneloop.training.progress import Progress

        for line in whole.splitlines():
            point = Progress.model_validate_json(line)
            try:
                self._on_progress(point)
            except Exception:  # the process edge of someone else's code: hours of training must not hang on it
                log.exception("reporting progress failed; training goes on")


def append_loss(file: IO[str], point: Progress) -> None:
    """Write one line for the launching process."""
    file.write(point.model_dump_json() + "\n")
    file.flush()


def leave_failure(exchange: Path, failure: Failure) -> None:
    """Say why this process ends, for the launching process."""
    (exchange / f"failure-{failure.rank}.json").write_text(failure.model_dump_json(), encoding="utf-8")


def _why(exchange: Path, launcher: str, code: int) -> str:
    """The first cause: what one process dies of, the others see as a lost connection."""
    failures = [Failure.model_validate(json.loads(path.read_text())) for path in exchange.glob("failure-*.json")]
    where = f"what the processes printed is in {exchange / LOG}"
    if not failures:
        return f"`{launcher}` ended with code {code}, and no process left a reason (killed for memory?); {where}"
    first = min(failures, key=lambda failure: (not failure.known, failure.at))
    return first.text if first.known else f"process {first.rank}: {first.text}; {where}"
