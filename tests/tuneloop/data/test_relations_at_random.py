"""What holds of the relations between any rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.data.relation_rows import EXAM, MIXED, POOL, VAULT, Row, facts_of, fate
from tests.tuneloop.data.test_duplicates import likeness
from tuneloop.data.relations import relate
from tuneloop.recipes import Data

WORDS = st.sampled_from(["kettle", "late", "lamp", "broken"])
some_rows = st.lists(
    st.builds(
        Row,
        id=st.just(""),
        prompt=st.lists(WORDS, min_size=1, max_size=7).map(" ".join),
        group=st.sampled_from([None, None, "g", "h", "i"]),
        held_out=st.sampled_from([False, False, False, True]),
        private=st.sampled_from([False, False, False, False, True]),
        feedback=st.sampled_from([False, False, True]),
        length=st.integers(1, 3),
        label=st.sampled_from([None, None, None, "x", "y"]),
    ),
    max_size=16,
)
exams = st.booleans()


def prepared(rows: Sequence[Row], *, with_exam: bool) -> tuple[list[Row], Data]:
    """The rows with ids; held-out and private ones only where the recipe has sources for them."""
    named = [
        replace(r, id=f"{i:02}", held_out=r.held_out and with_exam, private=r.private and with_exam)
        for i, r in enumerate(rows)
    ]
    return named, MIXED.model_copy(update={"sources": (POOL, EXAM, VAULT)}) if with_exam else MIXED


@settings(max_examples=80)
@given(some_rows, some_rows, exams)
def test_no_row_ever_moves_to_another_split_as_data_grows(first: list[Row], more: list[Row], with_exam: bool) -> None:  # noqa: FBT001
    rows, data = prepared([*first, *more], with_exam=with_exam)

    before = relate(facts_of(rows[: len(first)]), data).splits

    assert relate(facts_of(rows), data).splits[: len(first)] == before


@settings(max_examples=80)
@given(some_rows, exams)
def test_no_two_rows_that_stay_are_near_copies(rows: list[Row], with_exam: bool) -> None:  # noqa: FBT001
    rows, data = prepared(rows, with_exam=with_exam)

    duplicates = relate(facts_of(rows), data).duplicates

    kept = [r.prompt for i, r in enumerate(rows) if i not in duplicates]
    assert all(likeness(a, b) < data.checks.near_duplicate_jaccard for a, b in combinations(kept, 2))


@settings(max_examples=80)
@given(some_rows, exams)
def test_what_stays_of_a_group_or_cluster_is_in_one_split(rows: list[Row], with_exam: bool) -> None:  # noqa: FBT001
    rows, data = prepared(rows, with_exam=with_exam)

    found = relate(facts_of(rows), data)

    where: dict[str, str] = {}
    for row, cluster, split, i in zip(rows, found.clusters, found.splits, range(len(rows)), strict=True):
        if i not in found.duplicates:
            assert where.setdefault(cluster, split) == split
            assert where.setdefault(f"group {row.group or i}", split) == split
            assert row.private == (split == "private")
            assert row.held_out or row.private or split == "train" or not row.feedback
            assert not with_exam or row.private or (split == "test") == row.held_out


@settings(max_examples=80)
@given(some_rows)
def test_no_private_row_goes_for_a_row_of_another_split(rows: list[Row]) -> None:
    rows, data = prepared(rows, with_exam=True)

    duplicates = relate(facts_of(rows), data).duplicates

    assert all(rows[duplicate.duplicate_of].private for i, duplicate in duplicates.items() if rows[i].private)


@settings(max_examples=80)
@given(some_rows, exams, st.integers())
def test_the_order_of_rows_does_not_matter(rows: list[Row], with_exam: bool, seed: int) -> None:  # noqa: FBT001
    rows, data = prepared(rows, with_exam=with_exam)
    shuffled = random.Random(seed).sample(rows, len(rows))

    def outcome(some: list[Row]) -> dict[str, tuple[str, str]]:
        found = relate(facts_of(some), data)
        return {r.id: places for r, places in zip(some, zip(found.splits, found.clusters, strict=True), strict=True)}

    assert fate(rows, data) == fate(shuffled, data)
    assert outcome(rows) == outcome(shuffled)


@settings(max_examples=80)
@given(some_rows, exams)
def test_every_row_that_goes_leads_to_one_that_stays_or_to_a_contradiction(rows: list[Row], with_exam: bool) -> None:  # noqa: FBT001
    rows, data = prepared(rows, with_exam=with_exam)

    duplicates = relate(facts_of(rows), data).duplicates

    for row in duplicates:
        way = [row]
        while (duplicate := duplicates.get(way[-1])) and duplicate.kind != "contradiction":
            assert duplicate.duplicate_of not in way
            way.append(duplicate.duplicate_of)
        if duplicate:
            assert duplicates[duplicate.duplicate_of].kind == "contradiction"
