from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data import near_duplicates
from tuneloop.data.near_duplicates import CHUNK_ROWS, find_clusters, jaccard, join, normalise, same_values, shingle_sets

WORDS = [f"word{i}" for i in range(500)]
FEW_WORDS = st.lists(st.sampled_from(["kettle", "late", "lamp", "refund"]), max_size=9).map(" ".join)


def a_text(seed: int, words: int = 40) -> list[str]:
    return random.Random(seed).choices(WORDS, k=words)


def planted_pairs(count: int, *, new_words: int) -> list[str]:
    """Each text and, behind it, a copy that begins with other words: nine make a Jaccard similarity of .70, ten one of
    .67."""
    texts = []
    for seed in range(count):
        base = a_text(seed)
        texts += [" ".join(base), " ".join([*a_text(100_000 + seed, new_words), *base[: 44 - new_words]])]
    return texts


def triples(prompt: str) -> set[tuple[str, ...]]:
    words = prompt.split(" ")
    return {tuple(words[i : i + 3]) for i in range(max(len(words) - 2, 1))}


def likeness(a: str, b: str) -> float:
    return len(triples(a) & triples(b)) / len(triples(a) | triples(b))


def test_case_punctuation_and_spacing_make_no_difference() -> None:
    assert normalise("  Where's my KETTLE?!\n") == normalise("where s my kettle")
    assert normalise("\uff4b\uff45ttle") == "kettle"
    assert normalise("???") == "???"
    assert normalise("\ud83d") == "?"


def test_near_copies_are_found_and_strangers_are_not() -> None:
    base = a_text(1)
    texts = [" ".join(t) for t in (base, [*base, "many", "thanks"], a_text(2), ["me", "again", *base])]

    a, b, other, c = find_clusters(texts, threshold=0.7)

    assert a == b == c != other


@given(st.lists(FEW_WORDS, min_size=1, max_size=12))
def test_small_data_is_clustered_as_by_comparing_all_pairs(prompts: list[str]) -> None:
    expected = list(range(len(prompts)))
    for a, b in combinations(range(len(prompts)), 2):
        if likeness(prompts[a], prompts[b]) >= 0.6:
            expected = [expected[a] if c == expected[b] else c for c in expected]

    found = find_clusters(prompts, threshold=0.6)

    assert {(a, b) for a, b in combinations(range(len(prompts)), 2) if found[a] == found[b]} == {
        (a, b) for a, b in combinations(range(len(prompts)), 2) if expected[a] == expected[b]
    }


@given(st.lists(FEW_WORDS, min_size=2, max_size=12, unique=True))
def test_likeness_is_that_of_the_sets_of_word_triples(prompts: list[str]) -> None:
    left, right = np.triu_indices(len(prompts), k=1)

    found = jaccard(shingle_sets(prompts), left, right)

    assert found.tolist() == [likeness(prompts[a], prompts[b]) for a, b in zip(left, right, strict=True)]


def test_rows_of_different_chunks_have_equal_hashes() -> None:
    prompts = ["a b c d", *(f"filler {i}" for i in range(CHUNK_ROWS)), "a b c d e"]

    assert jaccard(shingle_sets(prompts), np.array([0]), np.array([len(prompts) - 1])).tolist() == [2 / 3]


def test_large_data_is_clustered_as_well_as_by_comparing_all_pairs() -> None:
    texts = planted_pairs(near_duplicates.EXHAUSTIVE_ROWS, new_words=9)

    clusters = find_clusters(texts, threshold=0.7)

    pairs = [clusters[i] == clusters[i + 1] for i in range(0, len(texts), 2)]
    assert sum(pairs) >= 0.99 * len(pairs)
    assert len(set(clusters)) == 2 * len(pairs) - sum(pairs)


def test_rows_just_below_the_threshold_stay_apart_in_large_data() -> None:
    texts = planted_pairs(near_duplicates.EXHAUSTIVE_ROWS, new_words=10)

    assert len(set(find_clusters(texts, threshold=0.7))) == len(texts)


def test_a_crowd_of_near_copies_becomes_one_cluster() -> None:
    crowd = [" ".join([*a_text(1), f"order{i}"]) for i in range(near_duplicates.EXHAUSTIVE_ROWS)]
    strangers = [" ".join(a_text(10 + i)) for i in range(9 * len(crowd))]

    clusters = find_clusters([*crowd, *strangers], threshold=0.7)

    assert len(set(clusters[: len(crowd)])) == 1
    assert len(set(clusters)) == 1 + len(strangers)


def test_the_order_of_many_rows_does_not_matter() -> None:
    texts = planted_pairs(1200, new_words=9)
    order = random.Random(3).sample(range(len(texts)), len(texts))

    straight = find_clusters(texts, threshold=0.7)
    shuffled = find_clusters([texts[i] for i in order], threshold=0.7)

    assert [straight[i] for i in order] == shuffled


@pytest.mark.parametrize("rows", [60, 2400])
def test_an_instruction_before_every_input_does_not_make_rows_alike(rows: int) -> None:
    instruction = " ".join(a_text(7))
    texts = [f"{instruction} {' '.join(a_text(100 + i, 8))}" for i in range(rows)]

    assert len(set(find_clusters(texts, threshold=0.7))) == rows


def test_rows_of_nothing_but_the_instruction_are_still_compared() -> None:
    instruction = a_text(7)
    texts = [" ".join([*instruction, *a_text(100 + i, 8)]) for i in range(60)]

    *_, whole, shorter = find_clusters([*texts, " ".join(instruction), " ".join(instruction[:-1])], threshold=0.7)

    assert whole == shorter


@pytest.mark.parametrize("prompts", [[], ["one"], ["", "x"]])
def test_few_rows_are_no_special_case(prompts: list[str]) -> None:
    assert len(set(find_clusters(prompts, threshold=0.7))) == len(prompts)


def test_what_is_tied_through_others_has_one_number() -> None:
    edges = same_values(["x", None, "y", "x", None, "y"])

    first = join(np.arange(6), *edges)
    second = join(first, np.array([3]), np.array([5]))

    assert first[0] == first[3] != first[2] == first[5]
    assert len(set(first.tolist())) == 4
    assert len(set(second.tolist())) == 3
