"""How far the weights of two folders lie apart, one tensor at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tuneloop.errors import ModelError


class WeightDifference(BaseModel):
    """Over all tensors: the largest absolute difference of a weight, and how many tensors differ at all.

    `unlike` names tensors that only one of the two has, or has in another shape.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_absolute: float
    tensors: int
    tensors_that_differ: int
    unlike: list[str]

    @property
    def is_none(self) -> bool:
        return not (self.tensors_that_differ or self.unlike)


def weight_difference(then: Path, now: Path) -> WeightDifference:
    """Compare the safetensors files of two folders.

    Raises:
        ModelError: one of them has none, or they cannot be read.
    """
    old, new = _places(then), _places(now)
    unlike = sorted(old.keys() ^ new.keys())
    largest, differing = 0.0, 0
    for name in sorted(old.keys() & new.keys()):
        a, b = _tensor(old[name], name), _tensor(new[name], name)
        if a.shape != b.shape:
            unlike.append(name)
            continue
        apart = _distance(a, b)
        largest, differing = max(largest, apart), differing + (apart > 0)
    return WeightDifference(max_absolute=largest, tensors=len(old | new), tensors_that_differ=differing, unlike=unlike)


def _distance(a: Any, b: Any) -> float:
    """0 only for equal bits, weights that are no numbers aside: those count as infinitely far from all others."""
    if a.numel() == 0 or a.equal(b):
        return 0.0
    apart = (a.double() - b.double()).abs()
    both_nan = a.isnan() & b.isnan()
    return float(apart.masked_fill(both_nan, 0.0).nan_to_num(nan=float("inf"), posinf=float("inf")).max())


def _places(folder: Path) -> dict[str, Path]:
    """Tensor -> file that holds it."""
    places = {name: file for file in sorted(folder.glob("*.safetensors")) for name in _names(file)}
    if not places:
        raise ModelError(f"{folder} has no safetensors weights to compare")
    return places


def _names(file: Path) -> Iterator[str]:
    with _open(file) as tensors:
        yield from tensors.keys()


def _tensor(file: Path, name: str) -> Any:
    with _open(file) as tensors:
        return tensors.get_tensor(name)


def _open(file: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        raise ModelError(f"{file} is no whole safetensors file ({error}); fetch or train it again") from error
