"""How different texts are from each other, in numbers: rows that all say the same teach little."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.near_duplicates import normalise

SHINGLE_WORDS = 3


def distinct_2(texts: Sequence[str]) -> float:
    """Different word pairs per word pair, 0 to 1 (Li et al. 2016). Falls with the number of texts: compare equally
    many."""
    pairs = [pair for text in texts for pair in pairwise(normalise(text).split())]
    return len(set(pairs)) / max(len(pairs), 1)


def likeness(a: str, b: str) -> float:
    """Jaccard similarity of the word 3-grams of two texts; short texts are one gram as a whole."""
    left, right = _grams(a), _grams(b)
    return len(left & right) / len(left | right)


def mean_pairwise_cosine(vectors: NDArray[np.float32]) -> float:
    """Over all pairs of different rows; rows are of unit length. 0 for fewer than two."""
    n = len(vectors)
    if n < 2:  # noqa: PLR2004 (no pair)
        return 0.0
    total = vectors.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1)))


def _grams(text: str) -> frozenset[str]:
    words = normalise(text).split()
    count = max(len(words) - SHINGLE_WORDS + 1, 1)
    return frozenset(" ".join(words[i : i + SHINGLE_WORDS]) for i in range(count))
