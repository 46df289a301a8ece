from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneloop.data.balance import distinct_2, likeness, mean_pairwise_cosine


def test_distinct_2_is_the_share_of_word_pairs_that_differ() -> None:
    assert distinct_2(["a b c"]) == 1.0
    assert distinct_2(["a b", "A b!"]) == 0.5
    assert distinct_2(["word", ""]) == 0.0


def test_likeness_is_the_jaccard_similarity_of_word_triples() -> None:
    assert likeness("one two three four", "one two three four") == 1.0
    assert likeness("one two three four", "One, two three FIVE.") == pytest.approx(1 / 3)
    assert likeness("yes", "no") == 0.0


@given(st.integers(2, 12), st.integers(0, 99))
def test_mean_pairwise_cosine_is_that_of_all_pairs(rows: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [float(vectors[i] @ vectors[j]) for i in range(rows) for j in range(i)]

    assert mean_pairwise_cosine(vectors) == pytest.approx(np.mean(pairs), abs=1e-4)


def test_one_text_has_no_pairs() -> None:
    assert mean_pairwise_cosine(np.ones((1, 3), dtype=np.float32)) == 0.0
