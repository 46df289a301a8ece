"""What is seen of a run while it goes: loss points, evaluations, memory."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

import psutil
from transformers import TrainerCallback

from tuneloop.errors import TrainingError
from tuneloop.results import LossPoint, TrainingWarning

log = logging.getLogger(__name__)
MIB = 2**20
SETTLING_STEPS = 10
ADVICE = "lower training.learning_rate, by 3 to 10 times"


class Progress(LossPoint):
    """A loss, and where the run is: what can be shown of it while it goes.

    `tokens_per_second` is the trainer's step alone; `seconds_left` counts all that takes time, evaluations as well.
    `kept_step` is whose validation loss is the lowest so far (None: last weights are kept).
    """

    max_steps: int
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    kept_step: int | None = None
    warnings: tuple[TrainingWarning, ...] = ()


class Findings(Protocol):
    """What has been found of a run so far."""

    @property
    def warnings(self) -> list[TrainingWarning]: ...

    @property
    def kept_step(self) -> int | None: ...


class LossReporter(TrainerCallback):  # type: ignore[misc]
    """Hands every new loss to `on_progress`; what that raises is logged and training goes on.

    A resumed run first hands over the losses from before, so that whoever looks has seen all of them.
    """

    def __init__(self, on_progress: Callable[[Progress], None], trainer: Any, found: Findings) -> None:
        self._on_progress = on_progress
        self._trainer = trainer
        self._found = found
        self._began = (0.0, 0)

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self._began = (time.monotonic(), state.global_step)
        for entry in state.log_history:
            self._report(entry, state)

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        self._report({**(logs or {}), "step": state.global_step}, state)

    def _report(self, entry: Mapping[str, Any], state: Any) -> None:
        for point in loss_points([entry]):
            try:
                self._on_progress(self._progress(point, entry, state))
            except Exception:  # the process edge of someone else's code: hours of training must not hang on it
                log.exception("reporting progress failed; training goes on")

    def _progress(self, point: LossPoint, entry: Mapping[str, Any], state: Any) -> Progress:
        began, first_step = self._began
        done = state.global_step - first_step
        left = (time.monotonic() - began) / done * (state.max_steps - state.global_step) if done else None
        stepping = self._trainer.seconds_stepping
        return Progress(
            **point.model_dump(),
            max_steps=state.max_steps,
            learning_rate=entry.get("learning_rate"),
            gradient_norm=entry.get("grad_norm"),
            tokens_per_second=self._trainer.tokens_seen / stepping if stepping else None,
            seconds_left=left,
            kept_step=self._found.kept_step,
            warnings=tuple(self._found.warnings),
        )


def loss_points(history: Sequence[Mapping[str, Any]]) -> list[LossPoint]:
    """The trainer's log history as loss points, one per step."""
    merged: dict[int, dict[str, Any]] = {}
    for entry in history:
        if "loss" in entry or "eval_loss" in entry:
            point = merged.setdefault(entry["step"], {"step": entry["step"], "epoch": float(entry.get("epoch") or 0.0)})
            point.update(
                {
                    ours: float(entry[theirs])
                    for theirs, ours in (("loss", "train_loss"), ("eval_loss", "eval_loss"))
                    if theirs in entry
                }
            )
    return [LossPoint(**point) for _, point in sorted(merged.items())]


class LossWatch:
    """Looks at the loss of every step and stops a run that will not come to anything."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._recent = 0.0

    def see(self, step: int, loss: float) -> None:
        """Take in one loss.

        Raises:
            TrainingError: it is not a number, or the losses have climbed well above the first one.
        """
        if not math.isfinite(loss):
            raise TrainingError(f"the loss became {loss} at step {step}: {ADVICE}, or look for rows with broken text")
        self._recent = loss if self._first is None else 0.8 * self._recent + 0.2 * loss
        self._first = loss if self._first is None else self._first
        if step >= SETTLING_STEPS and self._recent > 1.5 * self._first + 0.5:
            raise TrainingError(
                f"the loss climbs, from {self._first:.2f} to {self._recent:.2f} at step {step}: {ADVICE}"
            )


class PeakMemory:
    """Largest resident memory of this process while the block runs, looked at five times a second."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.look()
            if self._done.wait(0.2):
                return

    def look(self) -> None:
        """Take in what is resident now."""
        self.mib = max(self.mib, psutil.Process().memory_info().rss / MIB)
