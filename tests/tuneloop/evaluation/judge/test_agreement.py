from __future__ import annotations

import numpy as np
import pytest

from tuneloop.evaluation.judge.agreement import Agreement, measure_agreement


def alone(count: int) -> list[str]:
    return [str(i) for i in range(count)]


def compared(judged, human, *, clusters=None, min_kappa: float = 0.4) -> Agreement:
    return measure_agreement(judged, human, clusters or alone(len(human)), min_kappa=min_kappa)


def people_and_judge(count: int, right: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """People's choices, and those of a judge who agrees on a share `right` of them."""
    random = np.random.default_rng(seed)
    human = random.integers(0, 2, count).astype(float)
    return human, np.where(random.random(count) < right, human, 1 - human)


def test_kappa_is_agreement_beyond_chance() -> None:
    """Of 50 pairs 35 are agreed on; by chance alone it would be 25: (0.7 - 0.5) / (1 - 0.5)."""
    judged = [1.0] * 25 + [0.0] * 25
    human = [1.0] * 20 + [0.0] * 5 + [1.0] * 10 + [0.0] * 15
    assert compared(judged, human).kappa.value == pytest.approx(0.4)


def test_a_judge_that_agrees_with_people_may_count() -> None:
    human, judged = people_and_judge(60, 0.95)
    found = compared(judged, human)
    assert found.may_count
    assert 0.4 < found.kappa.low < found.kappa.value < 1
    assert found.text.startswith("The judge counts: it agrees well enough")


def test_a_judge_that_guesses_may_not() -> None:
    human, judged = people_and_judge(400, 0.5)
    found = compared(judged, human)
    assert not found.may_count
    assert found.kappa.low < 0 < found.kappa.high
    assert "does not agree" in found.text


def test_what_counts_is_the_lower_bound_not_the_value() -> None:
    human, judged = people_and_judge(40, 0.8)
    found = compared(judged, human)
    assert found.kappa.low < 0.4 < found.kappa.value
    assert not found.may_count


def test_a_judge_that_always_says_the_same_has_no_agreement_beyond_chance() -> None:
    human, _ = people_and_judge(100, 1.0)
    assert compared(np.ones(100), human).kappa.value == 0
    assert compared(np.ones(100), np.ones(100)).kappa.value == 0


def test_ties_are_half_mistakes_in_weighted_kappa_only() -> None:
    human, _ = people_and_judge(60, 1.0)
    judged = np.where(np.arange(60) % 3 == 0, 0.5, human)
    found = compared(judged, human)
    assert found.weighted.value > found.kappa.value


def test_fewer_than_thirty_pairs_do_not_suffice_even_if_all_agree() -> None:
    human, judged = people_and_judge(29, 1.0)
    found = compared(judged, human)
    assert not found.may_count
    assert "only 29 pairs" in found.text
    assert compared(*people_and_judge(30, 1.0)).may_count


def test_many_pairs_from_few_prompts_do_not_suffice() -> None:
    human, judged = people_and_judge(90, 1.0)
    found = compared(judged, human, clusters=[str(i % 9) for i in range(90)])
    assert not found.may_count
    assert "9 different prompts" in found.text


def test_repeated_pairs_of_a_cluster_do_not_make_the_interval_narrower() -> None:
    human, judged = people_and_judge(40, 0.85)
    once = compared(judged, human)
    five = compared(np.repeat(judged, 5), np.repeat(human, 5), clusters=list(np.repeat(alone(40), 5)))
    assert (five.kappa.low, five.kappa.high) == pytest.approx((once.kappa.low, once.kappa.high), abs=1e-9)


def test_one_cluster_says_nothing_and_no_pairs_say_nothing() -> None:
    one = compared([1.0, 0.0], [1.0, 0.0], clusters=["c", "c"])
    assert (one.kappa.low, one.kappa.high, one.may_count) == (-1.0, 1.0, False)
    none = compared([], [])
    assert (none.kappa, none.may_count) == (None, False)
    assert "only 0 pairs" in none.text
