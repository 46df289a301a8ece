"""Detect drift: a two-sample test on embeddings, and the terms that explain it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_ADDRESS = re.compile(r"\S*(?:@|://|www\.)\S*")
_WORD = re.compile(r"(?<![\w'])[^\W\d_]{3,20}(?![\w'])")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\"(]\s*)$")
_PRIOR = 0.5


def nearest_terms(
    reference_texts: Sequence[str], window_texts: Sequence[str], *, top: int = 6, min_rows: int = 3
) -> list[str]:
    """Up to `top` lower-case words, the most over-represented in the window first.

    Ranked by the log-odds of a row containing the word, divided by its standard error (Monroe et al., 2008). A word
    counts once a row and must be in `min_rows` rows of the window, so that no single message shows through. Anything
    with a digit, addresses, and words written with a capital inside a sentence (names) are left out.
    """
    window = Counter(word for text in window_texts for word in _words(text))
    reference = Counter(word for text in reference_texts for word in _words(text))
    names = _mostly_capitalised(window_texts)
    scores = {
        word: _z_score(count, len(window_texts), reference[word], len(reference_texts))
        for word, count in window.items()
        if count >= min_rows and word not in names
    }
    return [word for word, score in sorted(scores.items(), key=lambda s: (-s[1], s[0])) if score > 0][:top]


def _words(text: str) -> set[str]:
    return {match.group().casefold() for match in _WORD.finditer(_ADDRESS.sub(" ", text))}


def _mostly_capitalised(texts: Sequence[str]) -> set[str]:
    """Words that begin with a capital in at least half of their places inside a sentence."""
    capital: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for text in (_ADDRESS.sub(" ", text) for text in texts):
        for match in _WORD.finditer(text):
            if not _SENTENCE_START.search(text[: match.start()]):
                inside[match.group().casefold()] += 1
                capital[match.group().casefold()] += match.group()[0].isupper()
    return {word for word, count in inside.items() if 2 * capital[word] >= count}


def _z_score(in_window: int, window_rows: int, in_reference: int, reference_rows: int) -> float:
    def odds(count: int, rows: int) -> tuple[float, float]:
        yes, no = count + _PRIOR, rows - count + _PRIOR
        return float(np.log(yes / no)), 1 / yes + 1 / no

    (window, window_variance), (reference, reference_variance) = (
        odds(in_window, window_rows),
        odds(in_reference, reference_rows),
    )
    return float((window - reference) / np.sqrt(window_variance + reference_variance))


_HEURISTIC_ROWS = 1000
_BATCH = 256


@dataclass(frozen=True, slots=True)
class Comparison:
    """`effect` is the unbiased squared MMD (0: same distribution, may be slightly negative; at most about 2)."""

    p_value: float
    effect: float
    window_rows: int
    reference_rows: int


def compare(
    reference: NDArray[np.float32], window: NDArray[np.float32], *, seed: int, permutations: int = 999
) -> Comparison:
    """Permutation test of the squared MMD with a Gaussian kernel, bandwidth by the median heuristic.

    `reference` has shape (m, d), `window` (n, d), both at least 2 rows, else ValueError. `seed` is that of the
    permutations and the heuristic's sample. The p-value is (1 + hits) / (1 + permutations), so never below 0.001 by
    default. Takes about 12 (m + n)^2 bytes.
    """
    m, n = len(reference), len(window)
    if min(m, n) < 2:  # noqa: PLR2004 (a distance needs two)
        raise ValueError(f"need at least 2 rows on each side, got {m} and {n}")
    random = np.random.default_rng(seed)
    kernel = _kernel(np.concatenate([window, reference]).astype(np.float32), random)
    is_window = np.zeros(m + n, dtype=np.float32)
    is_window[:n] = 1.0
    observed = float(_squared_mmd(kernel, is_window[None, :])[0])
    hits = sum(
        int((_squared_mmd(kernel, shuffled) >= observed).sum())
        for shuffled in _shuffles(is_window, permutations, random)
    )
    return Comparison((1 + hits) / (1 + permutations), observed, n, m)


def witness(
    reference: NDArray[np.float32], window: NDArray[np.float32], rows: NDArray[np.float32], *, seed: int
) -> NDArray[np.float64]:
    """For each of the rows, shape (k, d): how much more it is like the window than like the reference.

    The difference of its mean kernel with either; where the squared MMD is the distance of two distributions, this
    says where they differ (Gretton et al., 2012, section 2.3). Positive: nearer to the window. `seed` is that of the
    bandwidth's sample.
    """
    known = np.concatenate([window, reference]).astype(np.float32)
    bandwidth = _bandwidth(known, np.random.default_rng(seed))
    norms = np.einsum("ij,ij->i", rows, rows)[:, None] + np.einsum("ij,ij->i", known, known)[None, :]
    kernel = np.exp(-np.maximum(norms - 2 * rows @ known.T, 0) / bandwidth)
    near_window = kernel[:, : len(window)].mean(axis=1, dtype=np.float64)
    near_reference = kernel[:, len(window) :].mean(axis=1, dtype=np.float64)
    return np.asarray(near_window - near_reference)


def _shuffles(
    is_window: NDArray[np.float32], permutations: int, random: np.random.Generator
) -> list[NDArray[np.float32]]:
    sizes = [min(_BATCH, permutations - start) for start in range(0, permutations, _BATCH)]
    return [random.permuted(np.tile(is_window, (size, 1)), axis=1) for size in sizes]


def _kernel(rows: NDArray[np.float32], random: np.random.Generator) -> NDArray[np.float32]:
    """Gaussian kernel of all pairs, the diagonal set to 0 as the unbiased estimate wants it."""
    kernel: NDArray[np.float32] = np.exp(-_squared_distances(rows) / _bandwidth(rows, random))
    np.fill_diagonal(kernel, 0.0)
    return kernel


def _bandwidth(rows: NDArray[np.float32], random: np.random.Generator) -> float:
    sample = random.choice(len(rows), min(len(rows), _HEURISTIC_ROWS), replace=False)
    between = _squared_distances(rows[sample])
    return float(np.median(between[np.triu_indices(len(sample), 1)])) or 1.0


def _squared_distances(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.einsum("ij,ij->i", rows, rows)
    distances: NDArray[np.float32] = norms[:, None] + norms[None, :] - 2 * rows @ rows.T
    return np.maximum(distances, 0, out=distances)


def _squared_mmd(kernel: NDArray[np.float32], is_window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Unbiased squared MMD for each row of 0/1 marks, shape (k, m + n) -> (k,)."""
    n = is_window[0].sum(dtype=np.float64)
    m = is_window.shape[1] - n
    to_window = is_window @ kernel
    within_window = np.einsum("ij,ij->i", to_window, is_window, dtype=np.float64)
    across = to_window.sum(axis=1, dtype=np.float64) - within_window
    within_reference = kernel.sum(dtype=np.float64) - within_window - 2 * across
    return np.asarray(within_window / (n * (n - 1)) + within_reference / (m * (m - 1)) - 2 * across / (n * m))
