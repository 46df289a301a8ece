"""What a search and a learning curve report: settings and losses, no row's text."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneloop.errors import DataError
from tuneloop.files import atomic_write

_Report = TypeVar("_Report", bound=BaseModel)
Value = int | float | str
SEARCHES = "searches"
CURVES = "learning-curves"


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Trial(_Result):
    """One setting that is to be tried. `values` are keys of the recipe's training section; number 0 is the recipe's
    own setting."""

    number: int
    values: dict[str, Value]

    @property
    def name(self) -> str:
        """As people read it: `3: learning_rate 0.0004, lora_rank 8`."""
        return f"{self.number}: " + ", ".join(f"{key} {value}" for key, value in self.values.items())


class TrialResult(_Result):
    """What became of a trial. `loss` is the validation loss of the weights that were kept, in nats per answer token;
    of a pruned trial the last one seen."""

    number: int
    values: dict[str, Value]
    state: Literal["finished", "pruned", "failed", "unfinished"]
    loss: float | None = None
    seconds: float | None = None
    pruned_at: float | None = None
    """Share of the training after which the trial was given up."""
    reason: str = ""
    """Why it failed."""


class Comparison(_Result):
    """Validation loss of the best trial minus that of the recipe's own values, over the same rows. The interval holds
    for all `candidates` at once, as the best of many is partly the luckiest."""

    difference: float
    low: float
    high: float
    rows: int
    candidates: int

    @property
    def is_better(self) -> bool:
        return self.high < 0


class SearchReport(_Result):
    """A search as it stands. `comparison` is there when the search is done and the best trial is not number 0."""

    recipe: str
    data_version: str
    rows: int
    """Training rows of every trial."""
    validation_rows: int
    planned: int
    trials: list[TrialResult]
    comparison: Comparison | None = None
    lines: dict[str, Value] = {}
    """The best trial's keys of the training section, where they differ from the recipe's."""

    @property
    def finished(self) -> list[TrialResult]:
        """Trials that were trained to the end, best first."""
        done = [t for t in self.trials if t.state == "finished" and t.loss is not None]
        return sorted(done, key=lambda t: (t.loss or 0.0, t.number))

    @property
    def is_complete(self) -> bool:
        return sum(t.state != "unfinished" for t in self.trials) >= self.planned


class CurvePoint(_Result):
    """The lowest validation loss of a training on `rows` rows."""

    rows: int
    loss: float
    seconds: float


class LearningCurve(_Result):
    """Validation loss by number of training rows, with the straight line through it over log2(rows).

    `slope` is the change of loss per doubling, with its 95 % interval; None with fewer than three points.
    """

    recipe: str
    data_version: str
    steps: int
    """Optimiser steps of every point; about, as a number of rows need not divide by the batch."""
    validation_rows: int
    points: list[CurvePoint]
    slope: float | None = None
    intercept: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None


def search_folder(workspace: Path, recipe: str, key: str) -> Path:
    return workspace / SEARCHES / recipe / key


def curve_folder(workspace: Path, recipe: str, key: str) -> Path:
    return workspace / CURVES / recipe / key


def latest_search(workspace: Path, recipe: str) -> tuple[Path, SearchReport] | None:
    """Folder and report of the recipe's newest search."""
    file = _newest(workspace / SEARCHES / recipe, "search.json")
    return None if file is None else (file.parent, _read(file, SearchReport))


def latest_curve(workspace: Path, recipe: str) -> tuple[Path, LearningCurve] | None:
    """Folder and report of the recipe's newest learning curve."""
    file = _newest(workspace / CURVES / recipe, "curve.json")
    return None if file is None else (file.parent, _read(file, LearningCurve))


def save(report: SearchReport | LearningCurve, file: Path) -> None:
    """Write or replace the report; a reader never sees half a file."""
    atomic_write(file, report.model_dump_json(indent=2))


def _newest(folder: Path, name: str) -> Path | None:
    return max(folder.glob(f"*/{name}"), key=lambda file: file.stat().st_mtime, default=None)


def _read(file: Path, kind: type[_Report]) -> _Report:
    try:
        return kind.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise DataError(f"{file} is damaged, or of another release; delete it and search again") from error
