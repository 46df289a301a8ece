"""How sure can we be of a mean? Bootstrap over clusters: near-relatives among the rows are not independent evidence.

The bounds are expanded percentile ones (T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015): plain
percentile intervals are too narrow for small samples, by about what a normal interval lacks against Student's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuneloop.results import Metric

RESAMPLES = 4999
_BATCH_ELEMENTS = 2_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `rows` rows in `clusters` clusters; `resampled` holds the sorted means of the bootstrap samples."""

    value: float
    rows: int
    clusters: int
    resampled: NDArray[np.float64]
    share: bool = False
    """All scores are 0, or all are 1: resampling shows no spread, so the bounds are Wilson's."""

    def lower_bound(self, risk: float) -> float:
        """The mean lies above this, except with a chance of `risk`; minus infinity if the rows are too few to say."""
        if self.share:
            return self._wilson(risk, upper=False)
        tail = self._tail(risk)
        return -math.inf if tail * (len(self.resampled) + 1) < 1 else float(np.quantile(self.resampled, tail))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided and finite: with too few rows it is as wide as the bootstrap samples go."""
        risk = (1 - confidence) / 2
        if self.share:
            return self._wilson(risk, upper=False), self._wilson(risk, upper=True)
        tail = self._tail(risk)
        low, high = np.quantile(self.resampled, [tail, 1 - tail])
        return float(low), float(high)

    def _tail(self, risk: float) -> float:
        from scipy import stats

        if self.clusters < 2:  # noqa: PLR2004 (one observation has no spread)
            return 0.0
        expansion = math.sqrt(self.clusters / (self.clusters - 1))
        return float(stats.norm.cdf(expansion * stats.t.ppf(risk, self.clusters - 1)))

    def _wilson(self, risk: float, *, upper: bool) -> float:
        """Wilson's score bound for a share that was seen as 0 or 1 in every cluster."""
        from scipy import stats

        squared = float(stats.norm.isf(risk)) ** 2
        distance = squared / (self.clusters + squared)
        if upper:
            return 1.0 if self.value == 1 else distance
        return 1 - distance if self.value == 1 else 0.0


def estimate(scores: ArrayLike, clusters: Sequence[str], *, seed: int = 17, resamples: int = RESAMPLES) -> Estimate:
    """The mean of `scores`, shape (rows,), resampled by cluster; `clusters` names each row's cluster.

    Raises:
        ValueError: no rows.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise ValueError("no mean without rows")
    _, member = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    sizes = np.bincount(member).astype(np.float64)
    sums = np.bincount(member, weights=values).astype(np.float64)
    mean = float(values.mean())
    if values.min() == values.max():
        share = bool(values[0] in (0.0, 1.0))
        return Estimate(float(values[0]), len(values), len(sizes), np.full(resamples, values[0]), share)
    if len(sizes) == 1:
        return Estimate(mean, len(values), 1, np.full(resamples, mean))
    return Estimate(mean, len(values), len(sizes), _resample(sums, sizes, seed=seed, resamples=resamples))


def difference(
    candidate: ArrayLike, reference: ArrayLike, clusters: Sequence[str], *, seed: int = 17, resamples: int = RESAMPLES
) -> Estimate:
    """The mean of candidate minus reference, both of shape (rows,) and in the same order of rows."""
    differences = np.asarray(candidate, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    found = estimate(differences, clusters, seed=seed, resamples=resamples)
    # Wilson's bounds are for shares, and a difference is none.
    return Estimate(found.value, found.rows, found.clusters, found.resampled)


def mean_interval(scores: ArrayLike, clusters: Sequence[str], *, confidence: float, seed: int = 17) -> Metric:
    """A metric as it is reported: the mean over the rows and its two-sided interval."""
    found = estimate(scores, clusters, seed=seed)
    low, high = found.interval(confidence)
    return Metric(value=found.value, low=low, high=high, n=found.rows)


def _resample(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], *, seed: int, resamples: int
) -> NDArray[np.float64]:
    """Sorted means over the rows of `resamples` samples of whole clusters, shape (resamples,)."""
    from scipy import stats

    drawn = stats.bootstrap(
        (sums, sizes),
        _mean_of_clusters,
        paired=True,
        vectorized=True,
        n_resamples=resamples,
        batch=max(1, _BATCH_ELEMENTS // len(sums)),
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return np.sort(drawn.bootstrap_distribution)


def _mean_of_clusters(sums: NDArray[np.float64], sizes: NDArray[np.float64], axis: int = -1) -> NDArray[np.float64]:
    means: NDArray[np.float64] = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return means
