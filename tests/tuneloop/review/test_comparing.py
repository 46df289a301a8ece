import pytest

from tuneloop.review.sampling import differences, stands_second


def test_answers_differ_by_what_does_not_match():
    assert differences(["same", "", "abcd"], ["same", "x", "abxy"]) == [0.0, 1.0, pytest.approx(0.5)]


def test_either_model_stands_first_half_of_the_time_and_always_in_the_same_place():
    placed = [stands_second("desk-preference-1", f"item {n}") for n in range(400)]
    assert 150 < sum(placed) < 250
    assert placed == [stands_second("desk-preference-1", f"item {n}") for n in range(400)]
    assert placed != [stands_second("desk-preference-2", f"item {n}") for n in range(400)]
