from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer
from tuneloop.review.collecting import examined
from tuneloop.review.quality import mean_rating, quality_by_model


def rated(number: int, rating: int, chosen_by: str = "random", **changes) -> ReviewAnswer:
    labels = {"chosen_by": chosen_by}
    whole = {"response_id": f"r{number}", "item_id": f"i{number}", "correction": None}
    return said(rating=rating, labels=labels, **whole | changes)


def qualities(folder, *answers: ReviewAnswer) -> dict[str, tuple[float, int]]:
    found = quality_by_model(examined(answers, folder=folder).judgements)
    return {each.model: (each.rating.value, each.rating.n) for each in found}


def test_only_what_chance_has_drawn_speaks_for_the_model(tmp_path):
    answers = [rated(1, 5), rated(2, 4), rated(3, 1, "low_score"), rated(4, 1, kind="data_sample")]
    assert qualities(tmp_path, *answers) == {"abc": (4.5, 2)}


def test_a_record_counts_once_and_a_disputed_one_with_its_mean(tmp_path):
    disputed = rated(1, 1, response_id="r2", reviewer="reviewer-b")
    assert qualities(tmp_path, rated(1, 5), disputed, rated(3, 5)) == {"abc": (4.0, 2)}


def test_models_stand_in_the_order_in_which_they_were_reviewed(tmp_path):
    newer = rated(1, 5, model="b", submitted_at="2026-11-09T10:00:00+00:00")
    assert list(qualities(tmp_path, newer, rated(2, 3, model="a"))) == ["a", "b"]


def test_without_a_random_share_nothing_is_claimed(tmp_path):
    assert qualities(tmp_path, rated(1, 5, "low_score")) == {}


def test_six_people_who_all_say_five_are_not_certain_of_anything():
    found = mean_rating([5.0] * 6)
    assert (found.value, found.high, found.n) == (5.0, 5.0, 6)
    assert 2.5 < found.low < 4.0


@pytest.mark.parametrize("shares", [(0.1, 0, 0, 0, 0.9), (0.05, 0.1, 0.2, 0.35, 0.3), (0.6, 0.2, 0.1, 0.05, 0.05)])
@pytest.mark.parametrize("size", [6, 24])
def test_the_interval_holds_the_true_mean_as_often_as_it_says(shares, size):
    chance, values = np.random.default_rng(1), np.arange(1, 6)
    true = float(np.dot(shares, values))
    found = [mean_rating(list(map(float, chance.choice(values, size=size, p=shares)))) for _ in range(300)]
    assert sum(each.low <= true <= each.high for each in found) >= 0.95 * 300


@given(st.lists(st.floats(1, 5), min_size=1, max_size=50))
def test_the_interval_holds_the_mean_and_stays_on_the_scale(ratings):
    found = mean_rating(ratings)
    assert 1 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 5
