import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneloop.review.sampling import REST, Pool, choose, draw_pool, stratify

EVEN = {"uncertain": 0.25, "disagreement": 0.25, "diverse": 0.25, "random": 0.25}


def unit(rows):
    rows = np.asarray(rows, dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def pool(count=40, **changes):
    random = np.random.default_rng(3)
    made = {
        "keys": [f"k{n}" for n in range(count)],
        "evidence": {s: random.random(count).tolist() for s in ("uncertain", "disagreement", "low_score", "drifted")},
        "vectors": unit(random.normal(size=(count, 8))),
    }
    return Pool(**(made | changes))


def counts(sample):
    return dict(Counter(c.chosen_by for c in sample.chosen))


def test_each_strategy_takes_its_share():
    assert counts(choose(pool(), budget=16, shares=EVEN, seed="s")) == dict.fromkeys(EVEN, 4)


@pytest.mark.parametrize("strategy", ["uncertain", "disagreement", "low_score", "drifted"])
def test_a_ranked_strategy_takes_the_highest_evidence(strategy):
    evidence = {strategy: [float(n) for n in range(40)]}
    chosen = choose(pool(evidence=evidence), budget=3, shares={strategy: 1.0}, seed="s").chosen
    assert {c.position for c in chosen} == {37, 38, 39}


def test_a_strategy_without_evidence_leaves_its_share_to_the_others_and_says_so():
    known = {"uncertain": [float(n) for n in range(40)]}
    poor = pool(evidence=known, unavailable={"disagreement": "there is no second model yet"})
    sample = choose(poor, budget=12, shares=EVEN, seed="s")
    assert counts(sample) == {"uncertain": 4, "diverse": 4, "random": 4}
    assert sample.notes == ("disagreement: there is no second model yet; its share went to the others",)


def test_where_nothing_is_known_all_are_drawn_at_random():
    sample = choose(pool(evidence={}, vectors=None), budget=8, shares={"uncertain": 0.5, "diverse": 0.5}, seed="s")
    assert counts(sample) == {"random": 8}
    assert {c.inclusion_probability for c in sample.chosen} == {8 / 40}


def test_a_strategy_that_runs_out_of_records_leaves_the_rest_to_chance_that_estimates_nothing():
    evidence = {"drifted": [1.0, 2.0, *[math.nan] * 38]}
    sample = choose(pool(evidence=evidence), budget=6, shares={"drifted": 1.0}, seed="s")
    assert counts(sample) == {"drifted": 2, REST: 4}
    assert {c.inclusion_probability for c in sample.chosen} == {None}
    assert "4 records" in sample.notes[0]


def test_a_small_pool_is_taken_whole():
    assert len(choose(pool(5), budget=16, shares=EVEN, seed="s").chosen) == 5
    assert choose(pool(0), budget=16, shares=EVEN, seed="s").chosen == ()


def test_another_seed_draws_others():
    drawn = [choose(pool(), budget=8, shares={"random": 1.0}, seed=seed).chosen for seed in ("a", "b")]
    assert drawn[0] != drawn[1]


def test_the_diverse_share_has_one_record_of_each_cluster_and_a_typical_one():
    centres = np.eye(4)
    rows, typical = [], []
    for n, centre in enumerate(centres):
        spread = np.random.default_rng(n).normal(scale=0.15, size=(9, 4))
        typical.append(len(rows))
        rows += [centre, *(centre + spread - spread.mean(axis=0))]
    vectors = unit(rows)
    chosen = choose(pool(40, vectors=vectors), budget=4, shares={"diverse": 1.0}, seed="s").chosen
    assert {c.position // 10 for c in chosen} == {0, 1, 2, 3}
    likeness = [float(vectors[c.position] @ centres[c.position // 10]) for c in chosen]
    assert min(likeness) > 0.95, "an odd record stands for its cluster"


def test_the_diverse_share_keeps_away_from_what_is_chosen_already():
    vectors = unit([[1, 0]] * 5 + [[0, 1]] * 5)
    evidence = {"uncertain": [1.0] * 5 + [0.0] * 5}
    shares = {"uncertain": 0.5, "diverse": 0.5}
    chosen = choose(Pool([f"k{n}" for n in range(10)], evidence, vectors), budget=2, shares=shares, seed="s").chosen
    assert [(c.chosen_by, c.position // 5) for c in chosen] == [("uncertain", 0), ("diverse", 1)]


def test_equal_vectors_are_no_trouble():
    same = pool(10, vectors=unit([[1, 1]] * 10))
    assert len({c.position for c in choose(same, budget=6, shares={"diverse": 1.0}, seed="s").chosen}) == 6


SHARES = st.dictionaries(
    st.sampled_from(["uncertain", "disagreement", "low_score", "drifted", "diverse", "random"]),
    st.integers(0, 9),
    min_size=1,
).filter(lambda s: sum(s.values()) > 0)


@settings(max_examples=150, deadline=None)
@given(shares=SHARES, count=st.integers(0, 50), budget=st.integers(0, 60), seed=st.text(max_size=3))
def test_budget_and_shares_are_kept_and_no_record_comes_twice(shares, count, budget, seed):
    shares = {s: n / sum(shares.values()) for s, n in shares.items()}
    sample = choose(pool(count), budget=budget, shares=shares, seed=seed)
    assert len(sample.chosen) == len({c.position for c in sample.chosen}) == min(budget, count)
    spent = counts(sample)
    if budget <= count:
        assert all(abs(spent.get(s, 0) - budget * share) < 1 for s, share in shares.items() if count)


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(24)), shares=SHARES)
def test_the_order_of_records_does_not_matter(order, shares):
    shares = {s: n / sum(shares.values()) for s, n in shares.items()}
    given_ = pool(24)
    shuffled = Pool(
        [given_.keys[n] for n in order],
        {s: [values[n] for n in order] for s, values in given_.evidence.items()},
        given_.vectors[order],
    )
    first = choose(given_, budget=10, shares=shares, seed="s").chosen
    second = choose(shuffled, budget=10, shares=shares, seed="s").chosen
    assert {(given_.keys[c.position], c.chosen_by) for c in first} == {
        (shuffled.keys[c.position], c.chosen_by) for c in second
    }


def test_the_mean_over_the_random_share_estimates_that_of_all_open_records_without_bias():
    """Whole way: a pool of 60 out of 200 open records, a quarter of 20 drawn at random, over 500 rounds.

    What the other strategies choose is far from the mean: the worst answers go first.
    """
    truth = np.random.default_rng(5).beta(2, 1, size=200)
    keys = [f"prompt {n}" for n in range(200)]
    shares = {"uncertain": 0.75, "random": 0.25}
    at_random, of_all = [], []
    for turn in range(500):
        drawn = draw_pool(keys, 60, f"set-{turn}")
        evidence = {"uncertain": [-truth[p] for p in drawn]}
        made = Pool([keys[p] for p in drawn], evidence, share_of_open=60 / 200)
        chosen = choose(made, budget=20, shares=shares, seed=f"set-{turn}").chosen
        values = {c.chosen_by: [] for c in chosen}
        for c in chosen:
            values[c.chosen_by].append(truth[drawn[c.position]])
        at_random.append(np.mean(values["random"]))
        of_all.append(np.mean([v for vs in values.values() for v in vs]))
        assert {c.inclusion_probability for c in chosen if c.chosen_by == "random"} == {5 / 200}
    error = truth.std() / math.sqrt(5) / math.sqrt(500)
    assert abs(np.mean(at_random) - truth.mean()) < 4 * error
    assert truth.mean() - np.mean(of_all) > 0.2, "a mean over everything reviewed would be far off"


def test_every_stratum_is_seen_and_the_rest_goes_by_size():
    strata = ["large"] * 60 + ["middle"] * 30 + ["small"] * 2
    keys = [f"k{n}" for n in range(92)]
    chosen = stratify(keys, strata, budget=12, seed="s")
    spent = Counter(strata[c.position] for c in chosen)
    assert sum(spent.values()) == 12
    assert spent["small"] == 1
    assert spent["large"] > spent["middle"] > spent["small"]
    assert {strata[c.position]: c.inclusion_probability for c in chosen} == {
        "large": spent["large"] / 60,
        "middle": spent["middle"] / 30,
        "small": 1 / 2,
    }


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abcdef"), max_size=30), st.integers(1, 40), st.randoms())
def test_a_stratified_draw_keeps_its_budget_and_does_not_depend_on_the_order(strata, budget, random):
    keys = [f"k{n}" for n in range(len(strata))]
    chosen = {keys[c.position] for c in stratify(keys, strata, budget=budget, seed="s")}
    assert len(chosen) == min(budget, len(strata))
    order = random.sample(range(len(strata)), len(strata))
    again = stratify([keys[n] for n in order], [strata[n] for n in order], budget=budget, seed="s")
    assert {keys[order[c.position]] for c in again} == chosen


def test_weighted_by_its_chance_a_stratified_draw_estimates_the_mean_of_all_without_bias():
    truth = np.array([1.0] * 5 + [3.0] * 45)
    keys, strata = [f"k{n}" for n in range(50)], ["rare"] * 5 + ["common"] * 45
    found = []
    for turn in range(300):
        chosen = stratify(keys, strata, budget=6, seed=str(turn))
        found.append(sum(truth[c.position] / c.inclusion_probability for c in chosen) / 50)
    assert np.mean(found) == pytest.approx(truth.mean(), abs=1e-9)
