from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.splitting import own_split, position, stable_sample

SHARES = {"train_share": 0.8, "validation_share": 0.1, "salt": "s"}


def test_shares_are_met() -> None:
    counts = Counter(own_split(f"row {i}", **SHARES) for i in range(10_000))

    assert abs(counts["train"] - 8000) < 150
    assert abs(counts["validation"] - 1000) < 120


def test_without_a_test_share_nothing_is_for_testing() -> None:
    splits = {own_split(str(i), train_share=0.9, validation_share=0.1, salt="s") for i in range(2000)}

    assert splits == {"train", "validation"}


def test_another_salt_gives_another_split() -> None:
    rows = [str(i) for i in range(200)]

    assert [own_split(r, **SHARES) for r in rows] != [own_split(r, **{**SHARES, "salt": "t"}) for r in rows]


def test_places_are_the_same_for_ever() -> None:
    assert position("where is my kettle", "tuneloop") == 0.9121279221164009


def test_half_a_character_has_a_place() -> None:
    assert 0 <= position("\ud83d", "s") < 1


@given(st.lists(st.text(max_size=4), unique=True, max_size=30), st.integers(0, 12), st.text(max_size=3))
def test_one_more_row_changes_at_most_one_place_of_a_sample(ids: list[str], n: int, new: str) -> None:
    before = stable_sample(ids, n, "s")
    after = stable_sample([*ids, new] if new not in ids else ids, n, "s")

    assert len(before) == min(n, len(ids))
    assert len(set(before) - set(after)) <= 1
    assert before == [i for i in ids if i in set(before)]
