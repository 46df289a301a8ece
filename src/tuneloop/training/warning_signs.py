"""What losses and gradients show before a run is lost: signs that a person can act on, with what to do.

Each sign is a function of the trainer's log history alone. The history is part of every checkpoint, so a run that was
killed and goes on warns of the same things at the same steps as one that was not. The limits were set on real runs:
healthy ones must stay silent, each spoilt one must show its own sign (tests/tuneloop/training/test_watching.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Any, Literal

from tuneloop.results import TrainingWarning

Kind = Literal["diverging", "overfitting", "exploding_gradients", "not_learning"]
Losses = Sequence[tuple[int, float]]

FEWEST_NORMS, FEWEST_LOSSES = 6, 9
"""Below that, noise and course cannot be told apart."""
WINDOW = 5
RISE = 0.25
"""Of the lowest windowed training loss, above which a rise counts."""
VALIDATION_RISE = 0.02
FALL = 0.01
"""Of the first losses, below which a fall does not count as learning."""
SPIKE = 10.0
CLIPPED = 10.0


@dataclass(frozen=True, slots=True)
class Course:
    """A run so far: (step, value) of training losses, validation losses and gradient norms before clipping."""

    train: Losses
    validation: Losses
    norms: Losses
    max_steps: int
    max_grad_norm: float

    @classmethod
    def of(cls, history: Sequence[Mapping[str, Any]], *, max_steps: int, max_grad_norm: float) -> Course:
        def values(name: str) -> Losses:
            return [(entry["step"], float(entry[name])) for entry in history if name in entry]

        return cls(values("loss"), values("eval_loss"), values("grad_norm"), max_steps, max_grad_norm)


class WarningSigns:
    """Takes in the history as it grows and says each kind of warning once, where its sign first shows."""

    def __init__(self, *, max_steps: int, max_grad_norm: float) -> None:
        self._limits = {"max_steps": max_steps, "max_grad_norm": max_grad_norm}
        self._looked_at = 0
        self._known: set[Kind] = set()

    def see(self, history: Sequence[Mapping[str, Any]]) -> list[TrainingWarning]:
        """The warnings that the entries since the last call bring; entries are looked at one by one."""
        new: list[TrainingWarning] = []
        for end in range(self._looked_at + 1, len(history) + 1):
            course = Course.of(history[:end], **self._limits)  # type: ignore[arg-type]
            for kind, sign in SIGNS.items():
                says_less = kind == "not_learning" and bool(self._known)  # its advice is to raise the rate
                if kind not in self._known and not says_less and (text := sign(course)):
                    self._known.add(kind)
                    new.append(TrainingWarning(kind=kind, step=history[end - 1]["step"], text=text))
        self._looked_at = len(history)
        return new


def diverging(course: Course) -> str | None:
    """The mean of the last losses lies well above the lowest such mean, and beyond the noise."""
    losses = [loss for _, loss in course.train]
    if len(losses) < 2 * WINDOW:
        return None
    means = [fmean(losses[at : at + WINDOW]) for at in range(len(losses) - WINDOW + 1)]
    lowest, now = min(means), means[-1]
    if now - lowest <= max(RISE * lowest, 3 * _noise(losses) * math.sqrt(2 / WINDOW)):
        return None
    return (
        f"the training loss has risen from {lowest:.3f} to {now:.3f}. Lower training.learning_rate, by 3 to 10 times, "
        "or raise training.warmup_share"
    )


def overfitting(course: Course) -> str | None:
    """The validation loss rises over two evaluations in a row, and by 2 % from its lowest, while training falls."""
    if len(course.validation) < 3 or len(course.train) < 2 * WINDOW:  # noqa: PLR2004 the lowest and two above it
        return None
    lowest_step, lowest = min(course.validation, key=lambda point: point[1])
    before, between, now = (loss for _, loss in course.validation[-3:])
    rises = before < between < now and now > (1 + VALIDATION_RISE) * lowest
    earlier = [loss for step, loss in course.train if step <= lowest_step][-WINDOW:]
    falls = bool(earlier) and fmean(loss for _, loss in course.train[-WINDOW:]) < fmean(earlier)
    if not (rises and falls):
        return None
    return (
        f"the validation loss was lowest ({lowest:.3f}) at step {lowest_step} and has risen to {now:.3f} while the "
        "training loss falls: the model learns rows by heart. Train fewer epochs, set training.keep: best and "
        "training.early_stopping_patience, lower training.lora_rank, or add rows"
    )


def exploding_gradients(course: Course) -> str | None:
    """The last norm is ten times the median so far and clipped as much; or half of all are clipped tenfold."""
    norms = [norm for _, norm in course.norms]
    limit = course.max_grad_norm
    if len(norms) < FEWEST_NORMS:
        return None
    usual = median(norm if math.isfinite(norm) else math.inf for norm in norms)
    if not norms[-1] <= max(SPIKE * usual, SPIKE * limit):
        return (
            f"the gradient norm is {norms[-1]:.3g}, usually {usual:.3g}. One such step is clipped to {limit:g} and "
            "does little harm; if it comes again, look for broken rows, or lower training.learning_rate"
        )
    if usual > CLIPPED * limit:
        return (
            f"most gradients are clipped: their norm is {usual:.3g}, training.max_grad_norm {limit:g}. The step's "
            "size then hardly depends on the data. Lower training.learning_rate, or raise training.max_grad_norm"
        )
    return None


def not_learning(course: Course) -> str | None:
    """Looked at once, half-way: the losses have fallen by less than their noise, or by less than one per cent."""
    steps = [step for step, _ in course.train]
    losses = [loss for _, loss in course.train]
    half_way = len(steps) >= FEWEST_LOSSES and steps[-2] < course.max_steps / 2 <= steps[-1]
    if not half_way:
        return None
    third = len(losses) // 3
    first, now = fmean(losses[:third]), fmean(losses[-third:])
    if first - now > max(FALL * first, 2 * _noise(losses) * math.sqrt(2 / third)):
        return None
    return (
        f"half of the run is over and the training loss has hardly moved ({first:.3f} to {now:.3f}). Raise "
        "training.learning_rate, by 3 to 10 times; look whether the answers are what the model should learn, and "
        "whether it knows them already"
    )


SIGNS: dict[Kind, Callable[[Course], str | None]] = {
    "diverging": diverging,
    "overfitting": overfitting,
    "exploding_gradients": exploding_gradients,
    "not_learning": not_learning,
}


def _noise(losses: Sequence[float]) -> float:
    """Standard deviation of a loss about its course, from the differences of neighbours, robust against jumps."""
    jumps = median(abs(after - before) for before, after in pairwise(losses))
    return 1.4826 * jumps / math.sqrt(2)  # 1.4826: from the median to the standard deviation of a normal variable
