"""How many n-grams two texts have in common, for many pairs of texts at once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
_CHUNK = 32_768
"""Tokens counted at once: what stays in the processor's cache."""
_ROWS = 4096
_BITS = 62


def word_matches(answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]], orders: int) -> Counts:
    """Shape (rows, orders): n-grams of words that both have, each as often as in the text that has it less often."""
    sizes = _sizes(answers, expected)
    parts = [_word_part(answers[rows], expected[rows], sizes[rows], orders) for rows in _chunks(sizes)]
    return np.concatenate(parts) if parts else np.zeros((0, orders), dtype=np.int64)


def character_matches(answers: Sequence[str], expected: Sequence[str], orders: int) -> Counts:
    """Shape (rows, orders): the same for n-grams of characters."""
    sizes = _sizes(answers, expected)
    parts = [_character_part(answers[rows], expected[rows], sizes[rows], orders) for rows in _chunks(sizes)]
    return np.concatenate(parts) if parts else np.zeros((0, orders), dtype=np.int64)


def _sizes(answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]]) -> Counts:
    """Shape (rows, 2): lengths of both texts."""
    pairs = [(len(answer), len(wanted)) for answer, wanted in zip(answers, expected, strict=True)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _chunks(sizes: Counts) -> Iterator[slice]:
    """Slices of at most `_ROWS` rows and `_CHUNK` tokens, or of one row that has more."""
    start, held = 0, 0
    for row, size in enumerate(sizes.sum(axis=1).tolist()):
        if (held + size > _CHUNK and row > start) or row - start == _ROWS:
            yield slice(start, row)
            start, held = row, 0
        held += size
    if start < len(sizes):
        yield slice(start, len(sizes))


def _word_part(
    answers: Sequence[Sequence[Hashable]], expected: Sequence[Sequence[Hashable]], sizes: Counts, orders: int
) -> Counts:
    words = list(chain.from_iterable(chain.from_iterable(zip(answers, expected, strict=True))))
    numbers = {word: number for number, word in enumerate(set(words))}
    tokens = np.fromiter(map(numbers.__getitem__, words), dtype=np.int64, count=len(words))
    return _count(tokens, len(numbers), sizes, orders)


def _character_part(answers: Sequence[str], expected: Sequence[str], sizes: Counts, orders: int) -> Counts:
    text = "".join(chain.from_iterable(zip(answers, expected, strict=True)))
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    present = np.zeros(int(codes.max(initial=0)) + 1, dtype=np.int64)
    present[codes] = 1
    return _count((np.cumsum(present) - 1)[codes], int(present.sum()), sizes, orders)


def _count(tokens: Counts, alphabet: int, sizes: Counts, orders: int) -> Counts:
    """Each n-gram becomes one whole number: row, tokens, side (0: answer, 1: expected). Sorted, equal n-grams of the
    two sides stand beside each other."""
    rows, lengths = len(sizes), sizes.ravel()
    width, row_bits = max(alphabet - 1, 1).bit_length(), rows.bit_length()
    owner = np.repeat(np.arange(2 * rows, dtype=np.int64), lengths)
    row, side = owner >> 1, owner & 1
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(tokens))
    grams, used = np.zeros(len(tokens) + 1, dtype=np.int64), 0
    counts = np.zeros((rows, orders), dtype=np.int64)
    for n in range(1, orders + 1):
        if used + width + row_bits >= _BITS:  # too many to write side by side: number those there are
            grams = np.unique(grams, return_inverse=True)[1]
            used = len(grams).bit_length()
        grams = (grams[:-1] << width) | tokens[n - 1 :]  # also across the ends of texts; those are left out below
        used += width
        here = len(grams)
        keys = (row[:here] << (used + 1)) | (grams << 1) | side[:here]
        counts[:, n - 1] = _shared(np.sort(keys[left[:here] >= n]), used + 1, rows)
    return counts


def _shared(keys: Counts, shift: int, rows: int) -> Counts:
    """Of sorted keys: per row, the sum of the smaller counts of the n-grams that stand on both sides."""
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
    times, found = np.diff(begins, append=len(keys)), keys[begins]
    both = np.flatnonzero((found[:-1] & 1 == 0) & (found[1:] == found[:-1] + 1))
    fewer = np.minimum(times[both], times[both + 1])
    return np.bincount(found[both] >> shift, weights=fewer, minlength=rows).astype(np.int64)
