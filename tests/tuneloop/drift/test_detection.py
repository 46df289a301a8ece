import numpy as np
import pytest

from tuneloop.drift.detection import compare, witness


def cloud(rows: int, seed: int, centre: float = 0.0, dimensions: int = 16) -> np.ndarray:
    random = np.random.default_rng(seed)
    points = random.normal(size=(rows, dimensions)).astype(np.float32)
    points[:, 0] += centre
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_the_same_distribution_gives_no_alarm_more_often_than_promised():
    found = [compare(cloud(120, n), cloud(40, 1000 + n), seed=n, permutations=99) for n in range(40)]
    assert np.mean([c.p_value < 0.05 for c in found]) <= 0.15
    assert abs(np.mean([c.effect for c in found])) < 0.004


def test_a_shift_is_found_and_its_effect_grows_with_it():
    effects = []
    for centre in (2.0, 3.0, 5.0):
        found = compare(cloud(200, 1), cloud(50, 2, centre), seed=3, permutations=199)
        assert found.p_value == pytest.approx(1 / 200)
        effects.append(found.effect)
    assert effects == sorted(effects)


def test_the_effect_is_the_unbiased_squared_mmd():
    window, reference = cloud(7, 1), cloud(11, 2, 1.0)
    both = np.concatenate([window, reference]).astype(np.float64)
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / np.median(squared[np.triu_indices(18, 1)]))
    within = (kernel[:7, :7].sum() - 7) / 42 + (kernel[7:, 7:].sum() - 11) / 110
    assert compare(reference, window, seed=1).effect == pytest.approx(within - 2 * kernel[:7, 7:].mean(), abs=1e-5)


def test_the_same_seed_gives_the_same_numbers():
    assert compare(cloud(90, 1), cloud(30, 2), seed=5) == compare(cloud(90, 1), cloud(30, 2), seed=5)


def test_identical_rows_do_not_break_the_bandwidth():
    same = np.ones((10, 4), dtype=np.float32) / 2
    assert compare(same, same, seed=1, permutations=99).p_value == 1.0


def test_one_row_is_too_few():
    with pytest.raises(ValueError, match="2 rows"):
        compare(cloud(10, 1), cloud(1, 2), seed=1)


def test_the_witness_says_which_rows_are_like_the_window():
    old, new = cloud(120, 1), cloud(60, 2, 4.0)
    said = witness(old[:80], new[:40], np.concatenate([old[80:], new[40:]]), seed=1)
    new_first = np.argsort(-said)[:20]
    assert (new_first >= 40).mean() >= 0.8
    assert said[:40].mean() < 0.05 < said[40:].mean()


def test_the_mean_of_the_witness_over_both_sides_gives_the_squared_mmd():
    window, reference = cloud(30, 1, 2.0), cloud(50, 2)
    said = witness(reference, window, np.concatenate([window, reference]), seed=1)
    both = np.concatenate([window, reference]).astype(np.float64)
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    kernel = np.exp(-squared / np.median(squared[np.triu_indices(80, 1)]))
    biased = kernel[:30, :30].mean() + kernel[30:, 30:].mean() - 2 * kernel[:30, 30:].mean()
    assert said[:30].mean() - said[30:].mean() == pytest.approx(biased, abs=1e-5)
