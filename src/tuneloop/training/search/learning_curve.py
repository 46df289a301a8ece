"""A learning curve: the same training on stable samples of the rows, each within every larger one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from tuneloop.files import atomic_path
from tuneloop.recipes import Training
from tuneloop.records import content_hash
from tuneloop.results.search import CurvePoint


def write_sample(train_file: Path, rows: int, out: Path) -> Path:
    """`out` with `rows` of the rows of `train_file` (all, if fewer), those first by a hash of their id, in their own
    order. What is there already is kept: `out` belongs to one data version and one number."""
    import pyarrow.parquet

    if out.is_file():
        return out
    table = pyarrow.parquet.read_table(train_file)
    ids = table.column("id").to_pylist()
    first = sorted(range(len(ids)), key=lambda place: content_hash(["sample", ids[place]]))[:rows]
    with atomic_path(out) as draft:
        pyarrow.parquet.write_table(table.take(sorted(first)), draft)
    return out


def count_rows(file: Path) -> int:
    import pyarrow.parquet

    return int(pyarrow.parquet.ParquetFile(file).metadata.num_rows)


# Every point gets the same number of optimiser steps. With the same number of epochs the small samples would also be
# trained less, and the curve would fall for that reason alone. In so many epochs a small sample is learned by heart, so
# the lowest validation loss on the way counts, and the run ends when it has not come for a while.


SIZES = (60, 120, 240, 480)
PATIENCE = 4
"""Evaluations without a lower loss after which a point has shown what it can."""
FEWEST_POINTS = 3


def sizes_of(rows: int) -> list[int]:
    """The sizes to train on when there are `rows` rows: the usual ones below, and all."""
    return [*(size for size in SIZES if size < rows), rows]


def steps_of(config: Training, rows: int) -> int:
    """Optimiser steps of a training on `rows` rows."""
    return max(1, math.ceil(_steps_per_epoch(config, rows) * config.epochs))


def config_for(config: Training, rows: int, all_rows: int) -> Training:
    """The training section for a sample: as many steps and about as many evaluations as on all rows."""
    epochs = round(steps_of(config, all_rows) / _steps_per_epoch(config, rows), 2)
    evaluations = config.evaluations_per_epoch * config.epochs / epochs
    changes = {
        "epochs": epochs,
        "evaluations_per_epoch": max(1, round(evaluations)),
        "keep": "best",
        "early_stopping_patience": config.early_stopping_patience or PATIENCE,
    }
    return Training.model_validate({**config.model_dump(), **changes})


def fit(points: Sequence[CurvePoint]) -> dict[str, float]:
    """Least squares of loss over log2(rows): slope, its 95 % interval, intercept; empty with fewer than three points.

    The interval is that of the points about the line (Student's t, points - 2 degrees of freedom).
    """
    from scipy import stats

    if len(points) < FEWEST_POINTS:
        return {}
    line = stats.linregress([math.log2(p.rows) for p in points], [p.loss for p in points])
    reach = float(stats.t.ppf(0.975, len(points) - 2)) * line.stderr
    return {
        "slope": float(line.slope),
        "intercept": float(line.intercept),
        "slope_low": float(line.slope - reach),
        "slope_high": float(line.slope + reach),
    }


def _steps_per_epoch(config: Training, rows: int) -> int:
    return math.ceil(rows / (config.batch_size * config.gradient_accumulation))
