from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from tests.tuneloop.data.rows import a_record
from tuneloop.data.balance import MAX_APPEARANCES, MIN_STANDARD_ROWS, balanced, repeats_of
from tuneloop.recipes import Balance

SIZES = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 120), min_size=1)
RATIOS = st.floats(1, 8)


def rows(sizes: dict[str, int]) -> dict[str, list[str]]:
    return {name: [f"{name}{i}" for i in range(size)] for name, size in sizes.items()}


def down(ratio: float) -> Balance:
    return Balance(by="source", max_ratio=ratio)


def up(ratio: float) -> Balance:
    return Balance(by="source", max_ratio=ratio, method="upsample")


def counts(slices: dict[str, list[str]], kept: frozenset[str]) -> dict[str, int]:
    return {name: sum(i in kept for i in ids) for name, ids in slices.items()}


@given(SIZES, RATIOS)
def test_no_slice_outnumbers_the_smallest_one_beyond_the_ratio(sizes: dict[str, int], ratio: float) -> None:
    slices = rows(sizes)
    left = counts(slices, balanced(slices, down(ratio), "s").kept)
    standards = [n for n in sizes.values() if n >= MIN_STANDARD_ROWS]

    assert all(left[name] == size for name, size in sizes.items() if size <= MIN_STANDARD_ROWS)
    if standards:
        assert max(left.values()) <= ratio * min(standards) + 1e-6
        assert min(left[name] for name, n in sizes.items() if n >= MIN_STANDARD_ROWS) == min(standards)


def test_one_stray_row_does_not_cost_nearly_all_rows() -> None:
    slices = rows({"large": 1000, "medium": 500, "stray": 1})

    assert counts(slices, balanced(slices, down(3), "s").kept) == {"large": 1000, "medium": 500, "stray": 1}


def test_where_all_slices_are_tiny_nothing_goes() -> None:
    slices = rows({"a": 9, "b": 1})

    assert len(balanced(slices, down(1), "s").kept) == 10


@given(SIZES, RATIOS, st.sampled_from("abcdef"))
def test_one_more_row_in_a_slice_that_is_no_standard_changes_at_most_one_choice(
    sizes: dict[str, int], ratio: float, grown: str
) -> None:
    slices = rows({**sizes, "standard": MIN_STANDARD_ROWS, grown: sizes.get(grown, 30) + MIN_STANDARD_ROWS})
    before = balanced(slices, down(ratio), "s").kept
    after = balanced({**slices, grown: [*slices[grown], "new"]}, down(ratio), "s").kept

    assert len(before - after) <= 1
    assert after - before <= {"new"}


@given(SIZES, RATIOS)
def test_when_the_smallest_slice_grows_nobody_goes(sizes: dict[str, int], ratio: float) -> None:
    slices = rows({**sizes, "smallest": MIN_STANDARD_ROWS})
    before = balanced(slices, down(ratio), "s").kept
    after = balanced({**slices, "smallest": [*slices["smallest"], "new"]}, down(ratio), "s").kept

    standards = [n for n in sizes.values() if n >= MIN_STANDARD_ROWS]
    if min(standards, default=99) > MIN_STANDARD_ROWS:
        assert before <= after


@given(SIZES, RATIOS)
def test_protected_rows_stay(sizes: dict[str, int], ratio: float) -> None:
    slices = rows(sizes)
    protected = {i for ids in slices.values() for i in ids[::2]}

    assert protected <= balanced(slices, down(ratio), "s", protected).kept


@given(SIZES, RATIOS)
def test_the_order_of_rows_does_not_matter(sizes: dict[str, int], ratio: float) -> None:
    slices = rows(sizes)
    backwards = {name: ids[::-1] for name, ids in reversed(slices.items())}

    assert balanced(slices, down(ratio), "s") == balanced(backwards, down(ratio), "s")
    assert balanced(slices, up(ratio), "s") == balanced(backwards, up(ratio), "s")


def test_a_row_of_two_slices_counts_at_the_smaller_one() -> None:
    slices = rows({"common": 100, "rare": 10})
    both = {**slices, "common": [*slices["common"], *slices["rare"]]}

    assert balanced(both, down(2), "s") == balanced(slices, down(2), "s")


@given(SIZES, RATIOS)
def test_upsampling_repeats_rows_of_small_slices_until_the_ratio_holds_or_the_cap(
    sizes: dict[str, int], ratio: float
) -> None:
    slices = rows(sizes)
    result = balanced(slices, up(ratio), "s")
    wanted = ceil(max(sizes.values()) / ratio - 1e-9)

    assert result.kept == {i for ids in slices.values() for i in ids}
    for name, ids in slices.items():
        times = [1 + result.repeated.get(i, 0) for i in ids]
        assert sum(times) == max(sizes[name], min(wanted, MAX_APPEARANCES * sizes[name]))
        assert max(times) - min(times) <= 1


def test_repeats_are_marked_and_have_ids_of_their_own() -> None:
    first, second = repeats_of(a_record("Where?", id="r1"), 2)

    assert (first.id, second.id) == ("r1~repeat1", "r1~repeat2")
    assert first.extra["synthetic"] == {"method": "repeat", "of": "r1"}
    assert repeats_of(a_record("Where?"), 0) == []
