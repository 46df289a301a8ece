from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from tuneloop.evaluation.modules.scoring.ngrams import character_matches, common_length, word_matches

FEW_WORDS = st.lists(st.sampled_from("abc"), max_size=12)
TEXTS = st.text(st.sampled_from("ab é\n\U0001f469\ud800"), max_size=12)


def plain_matches(a: Sequence[str], b: Sequence[str], orders: int) -> list[int]:
    return [(Counter(grams(a, n)) & Counter(grams(b, n))).total() for n in range(1, orders + 1)]


def grams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]


@given(st.lists(st.tuples(FEW_WORDS, FEW_WORDS), max_size=6))
def test_word_matches_are_those_of_plain_counting(rows: list[tuple[list[str], list[str]]]) -> None:
    found = word_matches([a for a, _ in rows], [b for _, b in rows], 4)
    assert found.tolist() == [plain_matches(a, b, 4) for a, b in rows]


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6))
def test_character_matches_are_those_of_plain_counting(rows: list[tuple[str, str]]) -> None:
    found = character_matches([a for a, _ in rows], [b for _, b in rows], 6)
    assert found.tolist() == [plain_matches(a, b, 6) for a, b in rows]


def test_more_words_than_fit_side_by_side_into_a_number_are_still_counted() -> None:
    words = [f"w{number}" for number in range(40_000)]
    swapped = [*words[20_000:], *words[:20_000]]
    assert word_matches([words, words], [swapped, words], 4).tolist() == [
        [40_000, 39_998, 39_996, 39_994],
        [40_000, 39_999, 39_998, 39_997],
    ]


def test_many_empty_rows_are_counted_as_such() -> None:
    rows = [[] for _ in range(10_000)]
    assert word_matches([*rows, ["a"]], [*rows, ["a"]], 2).sum(axis=0).tolist() == [1, 0]


@given(FEW_WORDS, FEW_WORDS)
def test_the_longest_common_subsequence_is_as_long_as_by_the_table(a: list[str], b: list[str]) -> None:
    table = dict.fromkeys(product(range(len(a) + 1), range(len(b) + 1)), 0)
    for i, j in product(range(1, len(a) + 1), range(1, len(b) + 1)):
        same = a[i - 1] == b[j - 1]
        table[i, j] = table[i - 1, j - 1] + 1 if same else max(table[i - 1, j], table[i, j - 1])
    assert common_length(a, b) == table[len(a), len(b)]


def test_long_texts_have_a_common_subsequence_within_seconds() -> None:
    assert common_length(["a", "b"] * 10_000, ["b", "a"] * 10_000) == 19_999
