"""How sure can we be of a mean? Bootstrap over clusters: near-relatives among the rows are not independent evidence.

The bounds are expanded percentile ones (T. Hesterberg, "What Teachers Should Know About the Bootstrap", 2015): plain
percentile intervals are too narrow for small samples, by about what a normal interval lacks against Student's.

Where two models mostly get the same score, a bootstrap sees too little spread: of 48 rows with 4 wins and no loss it is
sure at 1.5 % what a coin does once in 16. Two pseudo-clusters, one won and one lost, mend the interval there (D. G.
Bonett, R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data",
2012). Whether there is a gain at all is asked of a sign-flip permutation test, which is exact for models that are
alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuneloop.results import Metric

RESAMPLES = 4999
PERMUTATIONS = 9999
_BATCH_ELEMENTS = 2_000_000

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over `rows` rows in `clusters` clusters; `resampled` holds the sorted means of the bootstrap samples."""

    value: float
    rows: int
    clusters: int
    resampled: Floats
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

    def p_value_above(self, threshold: float) -> float:
        """The risk at which `lower_bound` reaches the threshold: small where the mean surely lies above it."""
        if self.share:
            return self._score_test(threshold)
        return self._p_value(int((self.resampled <= threshold).sum()))

    def p_value_below(self, threshold: float) -> float:
        """Small where the mean surely lies below the threshold."""
        return self._p_value(int((self.resampled >= threshold).sum()))

    @property
    def standard_error(self) -> float:
        return float(np.std(self.resampled))

    def _p_value(self, beyond: int) -> float:
        from scipy import stats

        if self.clusters < 2:  # noqa: PLR2004 (one observation has no spread)
            return 1.0
        tail = min(1.0, (beyond + 1) / (len(self.resampled) + 1))
        return float(stats.t.cdf(stats.norm.ppf(tail) / self._expansion, self.clusters - 1))

    def _score_test(self, threshold: float) -> float:
        """What Wilson's bound is the inverse of: is a share seen as 0 or 1 in every cluster above the threshold?"""
        from scipy import stats

        if self.value <= threshold:
            return 1.0
        if threshold <= 0:
            return 0.0
        return float(stats.norm.sf(math.sqrt(self.clusters * (1 - threshold) / threshold)))

    @property
    def _expansion(self) -> float:
        return math.sqrt(self.clusters / (self.clusters - 1))

    def _tail(self, risk: float) -> float:
        from scipy import stats

        if self.clusters < 2:  # noqa: PLR2004 (one observation has no spread)
            return 0.0
        return float(stats.norm.cdf(self._expansion * stats.t.ppf(risk, self.clusters - 1)))

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
    sums, sizes = _by_cluster(values, clusters)
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
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    differences = ours - theirs
    sums, sizes = _by_cluster(differences, clusters)
    mean = float(differences.mean())
    if len(sizes) == 1:
        return Estimate(mean, len(differences), 1, np.full(resamples, mean))
    if _is_sparse(sums):
        widest = _widest(ours, theirs) * float(sizes.mean())
        sums = np.concatenate([sums, [widest, -widest]])
        sizes = np.concatenate([sizes, np.full(2, sizes.mean())])
    found = _resample(sums, sizes, seed=seed, resamples=resamples)
    return Estimate(mean, len(differences), len(np.unique(np.asarray(clusters, dtype=object).astype(str))), found)


def chance_of_gain(candidate: ArrayLike, reference: ArrayLike, clusters: Sequence[str], *, seed: int = 17) -> float:
    """The chance (p-value) of so large a mean gain, or a larger one, between models that are alike.

    Under that hypothesis the two scores of a cluster can be exchanged, which flips the sign of its difference, so the
    test holds for any number of rows and any distribution of scores. It tries every combination of signs where there
    are few clusters, else a sample. (scipy's `permutation_test` gives the same; it takes five times as long.)
    """
    ours, theirs = np.asarray(candidate, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    gains, _ = _by_cluster(ours - theirs, clusters)
    is_exact = 2 ** len(gains) <= PERMUTATIONS
    observed = gains.sum() - 1e-9 * np.abs(gains).sum()  # sums of the same numbers in another order differ a little
    reached = tried = 0
    for signs in _all_signs(len(gains)) if is_exact else _random_signs(len(gains), seed):
        reached += int((signs @ gains >= observed).sum())
        tried += len(signs)
    return reached / tried if is_exact else (reached + 1) / (tried + 1)


def mean_interval(scores: ArrayLike, clusters: Sequence[str], *, confidence: float, seed: int = 17) -> Metric:
    """A metric as it is reported: the mean over the rows and its two-sided interval."""
    found = estimate(scores, clusters, seed=seed)
    low, high = found.interval(confidence)
    return Metric(value=found.value, low=low, high=high, n=found.rows)


def _by_cluster(values: Floats, clusters: Sequence[str]) -> tuple[Floats, Floats]:
    """(sums of the values, numbers of rows), one of each per cluster."""
    _, member = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    return np.bincount(member, weights=values).astype(np.float64), np.bincount(member).astype(np.float64)


def _is_sparse(differences: Floats) -> bool:
    """At least half of the clusters show no difference, or all show the same."""
    return bool(np.median(np.abs(differences)) == 0 or np.ptp(differences) == 0)


def _widest(ours: Floats, theirs: Floats) -> float:
    """The largest difference a row could show: 1 between scores from 0 to 1, else the largest that was seen."""
    both = np.concatenate([ours, theirs])
    return 1.0 if both.min() >= 0 and both.max() <= 1 else float(np.abs(ours - theirs).max())


def _resample(sums: Floats, sizes: Floats, *, seed: int, resamples: int) -> Floats:
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


def _mean_of_clusters(sums: Floats, sizes: Floats, axis: int = -1) -> Floats:
    means: Floats = sums.sum(axis=axis) / sizes.sum(axis=axis)
    return means


def _all_signs(count: int) -> Iterator[Floats]:
    """Every row of +1 and -1, shape (2 ** count, count)."""
    numbers = np.arange(2**count)[:, None]
    yield np.where((numbers >> np.arange(count)) & 1, -1.0, 1.0)


def _random_signs(count: int, seed: int) -> Iterator[Floats]:
    """`PERMUTATIONS` rows of +1 and -1, in batches that fit into memory."""
    random = np.random.default_rng(seed)
    batch = max(1, _BATCH_ELEMENTS // count)
    for start in range(0, PERMUTATIONS, batch):
        rows = min(batch, PERMUTATIONS - start)
        yield np.where(random.integers(0, 2, size=(rows, count), dtype=np.int8), -1.0, 1.0)
