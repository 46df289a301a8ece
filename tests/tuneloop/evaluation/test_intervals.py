from __future__ import annotations

import math

import numpy as np
import pytest

from tuneloop.evaluation.intervals import difference, estimate, mean_interval


def alone(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def test_the_value_is_the_plain_mean_over_rows_also_with_clusters_of_unequal_size() -> None:
    metric = mean_interval([1.0, 1.0, 1.0, 0.0], ["a", "a", "a", "b"], confidence=0.95)
    assert (metric.value, metric.n) == (0.75, 4)
    assert metric.low <= 0.75 <= metric.high


def test_the_same_seed_gives_the_same_interval() -> None:
    scores = np.random.default_rng(1).random(30)
    assert mean_interval(scores, alone(30), confidence=0.9) == mean_interval(scores, alone(30), confidence=0.9)


def test_the_interval_agrees_with_students_on_a_normal_sample() -> None:
    from scipy import stats

    scores = np.random.default_rng(3).normal(size=25)
    metric = mean_interval(scores, alone(25), confidence=0.95)
    low, high = stats.t.interval(0.95, 24, loc=scores.mean(), scale=stats.sem(scores))
    assert (metric.low, metric.high) == pytest.approx((low, high), abs=0.06)


def test_repeated_rows_of_a_cluster_do_not_make_the_interval_narrower() -> None:
    scores = np.random.default_rng(2).random(20)
    once = mean_interval(scores, alone(20), confidence=0.95)
    five_times = mean_interval(np.repeat(scores, 5), list(np.repeat(alone(20), 5)), confidence=0.95)
    assert (five_times.low, five_times.high) == pytest.approx((once.low, once.high))


def test_all_right_or_all_wrong_has_wilsons_interval() -> None:
    right = mean_interval([1.0] * 10, alone(10), confidence=0.95)
    wrong = mean_interval([0.0] * 10, alone(10), confidence=0.95)
    assert (right.low, right.high) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert (wrong.low, wrong.high) == pytest.approx((0.0, 0.2775), abs=1e-4)


def test_equal_scores_that_are_no_shares_have_an_interval_of_no_width() -> None:
    metric = mean_interval([0.4] * 10, alone(10), confidence=0.95)
    assert (metric.low, metric.value, metric.high) == (0.4, 0.4, 0.4)


def test_one_row_has_a_finite_interval_but_no_bound() -> None:
    assert mean_interval([0.3], ["a"], confidence=0.95).low == 0.3
    assert estimate([0.3], ["a"]).lower_bound(0.05) == -math.inf


def test_no_rows_are_an_error() -> None:
    with pytest.raises(ValueError, match="without rows"):
        estimate([], [])


def test_a_difference_is_of_pairs_and_so_narrower_than_the_scores() -> None:
    random = np.random.default_rng(5)
    before = random.random(40)
    after = before + 0.05 + random.normal(0, 0.01, 40)
    compared = difference(after, before, alone(40))
    assert compared.lower_bound(0.01) > 0.04
    assert estimate(after, alone(40)).interval(0.9)[0] < before.mean()
