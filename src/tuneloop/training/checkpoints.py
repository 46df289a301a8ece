"""Save what a killed run resumes from and a finished one is not repeated for, and the weights with the lowest loss.

Everything is written beside its place, forced to the disk and renamed: a folder with its own name is whole, whenever
the power goes. What a kill leaves is in folders called `.unfinished`, and the next start removes it.

The best weights are only what trains (an adapter is a few megabytes), in one safetensors file that names its step and
loss itself, and are put back when training ends. Nothing else has to be remembered: a run that was killed and resumes
measures the same losses again, finds them no lower than the file's, and ends with the same step's weights.
transformers' `load_best_model_at_end` would need a checkpoint with optimiser state at every evaluation.
"""

from __future__ import annotations

import errno
import json
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import TrainerCallback

from tuneloop.errors import TrainingError
from tuneloop.files import atomic_path, atomic_write, force_to_disk
from tuneloop.results import TrainingReport

FINGERPRINT = "arguments.sha256"
REPORT = "report.json"
CHECKPOINTS = "checkpoints"
UNFINISHED = ".unfinished"

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No space, no quota, or above the largest file that is allowed (`ulimit -f`)."""

TORCH_CANNOT_WRITE = "inline_container.cc"
"""The source file torch names when its zip writer fails; it does not say why."""


def finished_report(out: Path, fingerprint: str) -> TrainingReport | None:
    """The report in `out`, if a run with these arguments has ended there and its folders are still there.

    Raises:
        TrainingError: the report is damaged.
    """
    if not (_noted(out) == fingerprint and (out / REPORT).is_file()):
        return None
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)  # it may have been killed while it removed them
    report = read_report(out / REPORT)
    # A model that was deleted, or moved with its folder, is made again.
    return report if all(Path(path).is_dir() for path in (report.adapter, report.model) if path) else None


def read_report(file: Path) -> TrainingReport:
    """The report of a finished run.

    Raises:
        TrainingError: it is damaged.
    """
    try:
        return TrainingReport.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise TrainingError(
            f"the report of a training run, {file}, is damaged, or of another release of tuneloop: bring it back from "
            "a backup, or delete it, and the run is made again"
        ) from error


def start_or_go_on(out: Path, fingerprint: str) -> None:
    """Note whose work `out` is, and remove what a run with other arguments, or a killed one, has left there."""
    if out.is_dir() and _noted(out) != fingerprint:
        (out / REPORT).unlink(missing_ok=True)
        for name in (CHECKPOINTS, "adapter", "model"):
            shutil.rmtree(out / name, ignore_errors=True)
    for place in (out, out / CHECKPOINTS):
        shutil.rmtree(place / UNFINISHED, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    _write_whole(out / FINGERPRINT, fingerprint)


def finish(out: Path, report: TrainingReport) -> None:
    """Write the report, which says that all else is there, and remove the checkpoints."""
    _write_whole(out / REPORT, report.model_dump_json(indent=2))
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)


def last_whole_checkpoint(out: Path) -> Path | None:
    """The newest checkpoint; those that are not whole all the same (copied in parts, by hand) are removed."""
    for folder in _by_step(out / CHECKPOINTS)[::-1]:
        try:
            json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            shutil.rmtree(folder)
        else:
            return folder
    return None


def prune(checkpoints: Path, keep: int) -> None:
    """Remove all but the newest `keep` checkpoints; each loses its name before it loses its files."""
    for folder in _by_step(checkpoints)[:-keep]:
        _remove(folder)


def step_of(checkpoint: Path) -> int:
    """The optimiser step a checkpoint was written at."""
    return int(checkpoint.name.rpartition("-")[2])


def beside(folder: Path) -> Path:
    """Where `folder` is written until it is whole; its own name, in a folder for unfinished work."""
    return folder.parent / UNFINISHED / folder.name


@contextmanager
def written_whole(folder: Path, needed_bytes: int) -> Iterator[Path]:
    """An empty folder to write into, which takes the place of `folder` when the block ends.

    If the block raises, nothing of it stays and `folder` is what it was.

    Raises:
        TrainingError: there is no room for it (see `telling_when_full`).
    """
    unfinished = beside(folder)
    shutil.rmtree(unfinished, ignore_errors=True)
    with _tidied(unfinished.parent), telling_when_full(folder, needed_bytes):
        try:
            unfinished.mkdir(parents=True)
            yield unfinished
            _force_to_disk(unfinished)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        if folder.exists():
            _remove(folder)
        unfinished.rename(folder)
        force_to_disk(folder.parent)


@contextmanager
def telling_when_full(path: Path, needed_bytes: int) -> Iterator[None]:
    """Make a full disk an error that says what to do.

    Args:
        path: what is written; it need not exist yet.
        needed_bytes: about how large it becomes.

    Raises:
        TrainingError: the disk is full, the quota used up, or the file larger than allowed.
    """
    try:
        yield
    except Exception as error:  # the tokenizers package raises no narrower one, torch and safetensors their own
        if not _is_full(error):
            raise
        there = next(p for p in (path, *path.parents) if p.exists())
        free = shutil.disk_usage(there).free
        raise TrainingError(
            f"no room to write {path}: it needs about {_megabytes(needed_bytes)}, and {_megabytes(free)} are free "
            f"({_reason(error)}). Make room there, or raise the quota or `ulimit -f`, and start the same run again: it "
            "goes on from its last checkpoint"
        ) from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in FULL
    text = str(error)  # the libraries written in Rust and C++ say it in words only
    return TORCH_CANNOT_WRITE in text or any(f"os error {n})" in text or os.strerror(n) in text for n in FULL)


def _reason(error: BaseException) -> str:
    return next((os.strerror(n) for n in FULL if os.strerror(n) in str(error)), "torch could not write")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _by_step(checkpoints: Path) -> list[Path]:
    return sorted(checkpoints.glob("checkpoint-*"), key=step_of)


def _remove(folder: Path) -> None:
    doomed = beside(folder).with_name(f"{folder.name}-old")
    shutil.rmtree(doomed, ignore_errors=True)
    with _tidied(doomed.parent):
        doomed.parent.mkdir(exist_ok=True)
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)


@contextmanager
def _tidied(folder: Path) -> Iterator[None]:
    """Remove `folder` after the block, if it is empty then."""
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


def _force_to_disk(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        force_to_disk(path)


def _noted(out: Path) -> str | None:
    path = out / FINGERPRINT
    return path.read_text(encoding="ascii") if path.is_file() else None


def _write_whole(path: Path, text: str) -> None:
    with telling_when_full(path, len(text)):
        atomic_write(path, text)


log = logging.getLogger(__name__)
FILE = "best.safetensors"


class BestWeights(TrainerCallback):  # type: ignore[misc]
    """Keeps the trainable weights at each evaluation that is lower than all before; the model ends with those.

    `kept_step` is their step, None before the first evaluation. Weights have their own shape and dtype.

    Raises:
        TrainingError: the disk is full; the checkpoints are not touched.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    @property
    def kept_step(self) -> int | None:
        kept = self._kept()
        return int(kept["step"]) if kept else None

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **rest: Any) -> None:
        loss = float((logs or {}).get("eval_loss", math.inf))
        kept = self._kept()
        lowest = float(kept["loss"]) if kept else math.inf
        if loss < lowest and state.is_world_process_zero:
            self._keep(rest["model"], state.global_step, loss)

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **rest: Any) -> None:
        kept = self._kept()
        if kept is None:
            return
        from safetensors.torch import load_file

        weights = load_file(self._file)
        for name, parameter in _trainable(rest["model"]).items():
            parameter.data.copy_(weights[name])
        log.info("kept the weights of step %s, validation loss %.4f", kept["step"], float(kept["loss"]))

    def _keep(self, model: Any, step: int, loss: float) -> None:
        from safetensors.torch import save_file

        weights = {name: parameter.detach().contiguous() for name, parameter in _trainable(model).items()}
        needed_bytes = sum(weight.nbytes for weight in weights.values())
        with telling_when_full(self._file, needed_bytes), atomic_path(self._file) as draft:
            save_file(weights, draft, metadata={"step": str(step), "loss": repr(loss)})

    def _kept(self) -> Mapping[str, str] | None:
        from safetensors import safe_open

        if not self._file.is_file():
            return None
        with safe_open(self._file, "pt") as file:
            kept: Mapping[str, str] = file.metadata()
        return kept


def _trainable(model: Any) -> dict[str, Any]:
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
