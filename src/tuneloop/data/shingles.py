"""Prompts as sets of hashed word triples, all in one flat sparse matrix: what likeness is measured on.

Splitting and numbering the words is pyarrow's, hashing them pandas' (SipHash, the same on every machine); a triple is
a sum of its words' hashes with odd factors. Hashes have 48 bits: that two different triples of two prompts of 55 words
meet has probability 1e-11, so what is counted on hashes is called exact. No library gives sets as arrays; as Python
sets they would take ten times the memory and the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SHINGLE_WORDS = 3
CHUNK_ROWS = 1 << 13
HASH_BITS = 48
BOILERPLATE_SHARE = 0.2
BOILERPLATE_MIN_ROWS = 50
BOILERPLATE_SAMPLE = 2000

Hashes = NDArray[np.uint64]
Sets = Any
"""scipy.sparse.csr_array of shape (prompts, 2^48), int64 indices sorted in each row, all values 1."""

_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 1], dtype=np.uint64)
_MASK = np.uint64((1 << HASH_BITS) - 1)


def shingle_sets(prompts: Sequence[str]) -> Sets:
    """The word triples of every prompt; a shorter prompt is one shingle.

    Triples that a fifth of the rows share (an instruction put before every input) say nothing about likeness and are
    left out, unless nothing else is in the row. They are looked for in an evenly spaced sample, from 50 rows on.
    """
    from scipy.sparse import csr_array

    boilerplate = _boilerplate(prompts)
    sizes = np.zeros(len(prompts) + 1, dtype=np.int64)
    # One array of the most there can be, filled as we go: to put pieces together would need the memory twice.
    grams = np.empty(sum(prompt.count(" ") + 1 for prompt in prompts), dtype=np.int64)
    row = used = 0
    for counts, found in _chunks(prompts, boilerplate):
        sizes[row + 1 : row + 1 + len(counts)] = counts
        grams[used : used + len(found)] = found
        row, used = row + len(counts), used + len(found)
    values = np.ones(used, dtype=np.int8)
    sets = csr_array((values, grams[:used], sizes.cumsum()), shape=(len(prompts), 1 << HASH_BITS))
    sets.has_canonical_format = True
    return sets


def jaccard(sets: Sets, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.float64]:
    """The similarity of the rows `left[i]` and `right[i]`, for all i."""
    sizes = np.diff(sets.indptr)
    parts = [np.zeros(0, dtype=np.int64)]
    for start in range(0, len(left), CHUNK_ROWS):
        a, b = (sets[side[start : start + CHUNK_ROWS]] for side in (left, right))
        parts.append(np.diff(a.multiply(b).indptr))
    common = np.concatenate(parts)
    similarity: NDArray[np.float64] = common / (sizes[left] + sizes[right] - common)
    return similarity


def _chunks(prompts: Sequence[str], boilerplate: Hashes) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For the rows of each chunk: how many shingles every row has, and all of them, ascending within the row."""
    for start in range(0, len(prompts), CHUNK_ROWS):
        rows = prompts[start : start + CHUNK_ROWS]
        keys = _without(_row_keys(rows), boilerplate)
        counts = np.bincount((keys >> np.uint64(HASH_BITS)).astype(np.int64), minlength=len(rows))
        yield counts, (keys & _MASK).astype(np.int64)


def _row_keys(rows: Sequence[str]) -> Hashes:
    """Row number and shingle in one integer, so that one sort brings rows and their sets in order."""
    words, starts = _word_hashes(rows)
    lengths = np.diff(starts)
    row = np.repeat(np.arange(len(rows)), lengths)
    behind = np.arange(len(words)) - starts[row]
    padded = np.append(words, np.zeros(SHINGLE_WORDS - 1, dtype=np.uint64))
    grams = np.zeros(len(words), dtype=np.uint64)
    for place, factor in enumerate(_FACTORS):
        inside = behind + place < lengths[row]
        grams += np.where(inside, padded[place : place + len(words)], np.uint64(0)) * factor
    whole = behind <= np.maximum(lengths[row] - SHINGLE_WORDS, 0)
    keys = row[whole].astype(np.uint64) << np.uint64(HASH_BITS) | grams[whole] >> np.uint64(64 - HASH_BITS)
    keys.sort()
    distinct: Hashes = keys[np.append(True, keys[1:] != keys[:-1])]
    return distinct


def _word_hashes(rows: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = pc.split_pattern(pa.array(rows, type=pa.large_string()), " ")
    words = lists.flatten().dictionary_encode()
    hashes = pd.util.hash_array(words.dictionary.to_numpy(zero_copy_only=False), categorize=False)
    return hashes[words.indices.to_numpy()], lists.offsets.to_numpy().astype(np.int64)


def _without(keys: Hashes, boilerplate: Hashes) -> Hashes:
    if not len(boilerplate):
        return keys
    telling = np.isin(keys & _MASK, boilerplate, invert=True)
    row = (keys >> np.uint64(HASH_BITS)).astype(np.int64)
    nothing_else = np.bincount(row, weights=telling) == 0
    left: Hashes = keys[telling | nothing_else[row]]
    return left


def _boilerplate(prompts: Sequence[str]) -> Hashes:
    if len(prompts) < BOILERPLATE_MIN_ROWS:
        return np.zeros(0, dtype=np.uint64)
    sample = prompts[:: max(len(prompts) // BOILERPLATE_SAMPLE, 1)]
    grams, counts = np.unique(
        np.concatenate([_row_keys(sample[i : i + CHUNK_ROWS]) & _MASK for i in range(0, len(sample), CHUNK_ROWS)]),
        return_counts=True,
    )
    return grams[counts > BOILERPLATE_SHARE * len(sample)]
