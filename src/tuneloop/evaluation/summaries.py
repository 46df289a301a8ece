"""Means with intervals: of all rows, and of those that share a value."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from tuneloop.evaluation.intervals import mean_interval
from tuneloop.results import Metric

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = "|"
"""Between the values of a row that belongs to several slices."""
LARGEST_EXPONENT = 700.0


def intervals(
    scores: pd.DataFrame, names: Sequence[str], lower_is_better: Collection[str], confidence: float
) -> dict[str, Metric]:
    """Of each named column of `scores`, which also has a column `cluster`; none for a frame without rows."""
    if scores.empty:
        return {}
    clusters = scores["cluster"].tolist()
    found = {}
    for name in names:
        metric = mean_interval(scores[name].to_numpy(), clusters, confidence=confidence)
        found[name] = metric.model_copy(update={"lower_is_better": name in lower_is_better})
    return found


def by_slice(
    scores: pd.DataFrame,
    slices: Sequence[str],
    names: Sequence[str],
    lower_is_better: Collection[str],
    confidence: float,
    *,
    min_rows: int,
) -> dict[str, dict[str, Metric]]:
    """`source=desk` -> metrics, for each way to slice and each value with at least `min_rows` rows."""
    return {
        f"{by}={value}": metrics
        for by in slices
        for value, metrics in by_value(scores, by, names, lower_is_better, confidence, min_rows=min_rows).items()
    }


def by_value(
    scores: pd.DataFrame,
    column: str,
    names: Sequence[str],
    lower_is_better: Collection[str],
    confidence: float,
    *,
    min_rows: int,
) -> dict[str, dict[str, Metric]]:
    """Metrics of the rows that share a value of `column`; a row may have several, joined by `SEPARATOR`."""
    rows = {value: rows_with(scores, column, value) for value in values_of(scores, column)}
    return {
        value: intervals(found, names, lower_is_better, confidence)
        for value, found in rows.items()
        if len(found) >= min_rows
    }


def values_of(scores: pd.DataFrame, column: str) -> list[str]:
    """The distinct values of a column, in order."""
    return sorted({value for joined in scores[column] for value in joined.split(SEPARATOR) if value})


def rows_with(scores: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    return scores[[value in joined.split(SEPARATOR) for joined in scores[column]]]


def with_perplexity(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Perplexity is the exponential of the mean loss, and so are its bounds."""
    loss = metrics["loss"]
    value, low, high = (math.exp(min(x, LARGEST_EXPONENT)) for x in (loss.value, loss.low, loss.high))
    return {**metrics, "perplexity": loss.model_copy(update={"value": value, "low": low, "high": high})}
