import pytest

from tuneloop.review.review_sets import data_set, drift_set, is_set_of, round_set

HASH = "3f9a2c41b7e0"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (round_set("desk", "answers", 3), "desk-round-3"),
        (round_set("desk", "preference", 12), "desk-preference-12"),
        (round_set("desk", "red_team", 1), "desk-red-team-1"),
        ("desk-adjudication-2", "desk-adjudication-2"),
        (data_set("desk", HASH), "desk-data-3f9a2c41"),
        (drift_set("desk", HASH * 5), "desk-drift-3f9a2c41"),
    ],
)
def test_a_set_is_named_by_recipe_kind_and_occasion(name, wanted):
    assert name == wanted
    assert is_set_of("desk", name)


@pytest.mark.parametrize("name", ["desk-eu-round-1", "desk", "desk-round-", "desk-round-1-old", "help-desk-round-1"])
def test_a_set_of_another_recipe_is_told_apart(name):
    assert not is_set_of("desk", name)
