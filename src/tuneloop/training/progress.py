"""What is seen of a run while it goes: loss points, evaluations, memory."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import psutil
from transformers import TrainerCallback

from tuneloop.errors import TrainingError
from tuneloop.results import LossPoint

log = logging.getLogger(__name__)
MIB = 2**20
SETTLING_STEPS = 10
ADVICE = "lower training.learning_rate, by 3 to 10 times"


class LossReporter(TrainerCallback):  # type: ignore[misc]
    """Hands every new loss to `on_progress`; what that raises is logged and training goes on."""

    def __init__(self, on_progress: Callable[[LossPoint], None]) -> None:
        self._on_progress = on_progress

    def on_log(self, _args: Any, state: Any, _control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        points = loss_points([{**(logs or {}), "step": state.global_step}])
        for point in points:
            try:
                self._on_progress(point)
            except Exception:  # the process edge of someone else's code: hours of training must not hang on it
                log.exception("reporting progress failed; training goes on")


class EvaluationTimes(TrainerCallback):  # type: ignore[misc]
    """Asks for an evaluation in the middle and at the end of every epoch, and at the last step."""

    def on_step_end(self, _args: Any, state: Any, control: Any, **_: Any) -> None:
        per_epoch = state.max_steps / state.num_train_epochs
        halves = {round(per_epoch * k / 2) for k in range(1, 2 * int(state.num_train_epochs) + 1)}
        if state.global_step in halves or state.global_step >= state.max_steps:
            control.should_evaluate = True


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
