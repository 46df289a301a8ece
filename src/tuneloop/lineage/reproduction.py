"""Whether a past training can be repeated, and whether the repetition came to the same model."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from tuneloop.errors import ModelError
from tuneloop.files import atomic_write
from tuneloop.lineage.data_diff import Difference
from tuneloop.lineage.repetition_checks import Finding, Part
from tuneloop.lineage.weights import WeightDifference, weight_difference
from tuneloop.results import LossPoint, TrainingReport

FILE = "reproduction.json"
TOLERANCE = 0.01
"""Relative difference of any loss up to which two trainings count as equal.

Measured on a tiny model over 8 steps: the same number of threads 0 (bit by bit), another 0.05 %, a learning
rate 10 % higher 1.9 %, another seed 2.7 %.
"""

SMALLEST_LOSS = 1e-6
"""What a loss of 0 is divided by."""

Outcome = Literal["identical", "equal within tolerance", "different"]


class LossDifference(Part):
    """The largest relative difference of a loss at the same step; `unlike_steps` only one of the two has."""

    largest_train: float
    largest_eval: float
    unlike_steps: int


class Comparison(Part):
    """Two trainings of the same thing. `weights` is None where those of the first are gone."""

    outcome: Outcome
    model_hash_then: str
    model_hash_now: str
    weights: WeightDifference | None
    losses: LossDifference
    train_loss_then: float
    train_loss_now: float
    eval_loss_then: float | None
    eval_loss_now: float | None
    tolerance: float
    text: str


class Reproduction(Part):
    """What reproduction.json holds; `comparison` is None where only the conditions were checked."""

    run: str
    key: str
    data_version: str
    seed: int
    threads: int | None
    folder: str
    findings: list[Finding]
    differences: list[Difference]
    """Environment then and now, and what each `auto` became."""
    comparison: Comparison | None

    @property
    def is_possible(self) -> bool:
        return all(finding.state != "blocking" for finding in self.findings)


def compare(then: TrainingReport, now: TrainingReport, *, tolerance: float = TOLERANCE) -> Comparison:
    """Hold the repetition against the first training: hashes first, then every weight, then every loss.

    Weights are those of the merged models, else of the adapters, while the first training's are still there.
    """
    weights = _weights(then, now)
    losses = loss_difference(then.losses, now.losses)
    outcome, text = _outcome(then, now, weights, losses, tolerance)
    return Comparison(
        outcome=outcome,
        text=text,
        model_hash_then=then.model_hash,
        model_hash_now=now.model_hash,
        weights=weights,
        losses=losses,
        train_loss_then=then.train_loss,
        train_loss_now=now.train_loss,
        eval_loss_then=then.eval_loss,
        eval_loss_now=now.eval_loss,
        tolerance=tolerance,
    )


def loss_difference(then: Iterable[LossPoint], now: Iterable[LossPoint]) -> LossDifference:
    """Two loss curves, step by step."""
    old, new = _by_step(then), _by_step(now)
    apart: dict[str, float] = {"train": 0.0, "eval": 0.0}
    for kind, step in old.keys() & new.keys():
        apart[kind] = max(apart[kind], _relative(old[kind, step], new[kind, step]))
    unlike = len(old.keys() ^ new.keys())
    return LossDifference(largest_train=apart["train"], largest_eval=apart["eval"], unlike_steps=unlike)


def write_reproduction(folder: Path, found: Reproduction) -> Path:
    """reproduction.json in the folder of the repetition, in one step."""
    file = folder / FILE
    atomic_write(file, found.model_dump_json(indent=2))
    return file


def _outcome(
    then: TrainingReport,
    now: TrainingReport,
    weights: WeightDifference | None,
    losses: LossDifference,
    tolerance: float,
) -> tuple[Outcome, str]:
    if then.model_hash and then.model_hash == now.model_hash:
        return "identical", f"the model is the same, bit by bit: {now.model_hash[:12]}"
    if weights and weights.is_none:
        return "identical", f"all {weights.tensors} tensors are the same, bit by bit; configuration or tokenizer differ"
    apart = max(losses.largest_train, losses.largest_eval)
    said = (
        "the first model's weights are gone"
        if weights is None
        else f"weights differ by up to {weights.max_absolute:.2g}"
    )
    said = f"{said}, losses by up to {apart:.2%}"
    if losses.unlike_steps == 0 and apart <= tolerance and not (weights and weights.unlike):
        return "equal within tolerance", f"{said} (tolerance {tolerance:.2%})"
    unlike = f", {losses.unlike_steps} losses were measured in one of the two only" if losses.unlike_steps else ""
    return "different", f"{said}{unlike} (tolerance {tolerance:.2%})"


def _weights(then: TrainingReport, now: TrainingReport) -> WeightDifference | None:
    for old, new in ((then.model, now.model), (then.adapter, now.adapter)):
        if old and new and any(Path(old).glob("*.safetensors")):
            try:
                return weight_difference(Path(old), Path(new))
            except ModelError:  # gone or cut off since: the next pair, or the hash alone, must do
                continue
    return None


def _by_step(points: Iterable[LossPoint]) -> dict[tuple[str, int], float]:
    both = ((point.step, kind, loss) for point in points for kind, loss in _kinds(point))
    return {(kind, step): loss for step, kind, loss in both if loss is not None}


def _kinds(point: LossPoint) -> tuple[tuple[str, float | None], tuple[str, float | None]]:
    return ("train", point.train_loss), ("eval", point.eval_loss)


def _relative(then: float, now: float) -> float:
    """NaN beside a number is infinitely far away."""
    if then == now or (math.isnan(then) and math.isnan(now)):
        return 0.0
    apart = abs(now - then) / max(abs(then), SMALLEST_LOSS)
    return math.inf if math.isnan(apart) else apart
