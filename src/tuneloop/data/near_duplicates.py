"""Find near-duplicates of prompts and join them to clusters; `tuneloop.data.duplicates` says what follows for the rows.

The way of a million prompts: equal ones once, sets of hashed word triples (shingles), who is near whom (MinHash), who
hangs together (connected components). All of it is arrays; time is linear in the words. Prompts are taken in their
sorted order, so the answer does not depend on the order of rows.

Splitting and numbering the words is pyarrow's, hashing them pandas' (SipHash, the same on every machine); a triple is
a sum of its words' hashes with odd factors. Hashes have 48 bits: that two different triples of two prompts of 55 words
meet has probability 1e-11, so what is counted on hashes is called exact. No library gives sets as arrays; as Python
sets they would take ten times the memory and the time.

rensa's MinHash says who may be alike, exact comparison who is. Signatures have 160 permutations in 32 bands of 5 rows:
two prompts of Jaccard similarity .7 meet in a band with probability .997 (1 - (1 - s^5)^32), of .75 with .9998. They
are made in two rounds of 16 bands, to have half of them in memory at a time: of a million rows 320 MB.

What is rensa's: the signatures, and its one-shot question "which rows share a band with any other row", both in Rust
over the whole flat array. Only for those rows (few, in ordinary data) are signatures handed over: as Python lists they
cost more than everything before. What is ours: who shares a band with whom, and the comparison.
`RMinHashDeduplicator` compares estimates, first come, first kept: what it finds depends on the order of rows, and it
misses three in ten pairs of similarity .70-.75 (benchmarks/near_duplicates.py). `CMinHashDeduplicator` is the same on
other signatures; neither can be told to compare exactly. datasketch is ten times slower.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


def normalise(text: str) -> str:
    """Case, accents' encoding, punctuation and spacing do not make two prompts different."""
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    return words or text.strip().encode(errors="replace").decode()  # lone surrogates are no text that can be hashed


def find_clusters(prompts: Sequence[str], *, threshold: float) -> list[int]:
    """A cluster number for every prompt; equal and near-equal prompts (and what they are near to) share one.

    `prompts` are normalised; `threshold` is the least Jaccard similarity of their word triples. Every pair up to 2,000
    different prompts; with more a pair is missed with probability .003 at similarity .7, .0002 at .75, and
    never joined wrongly (see `tuneloop.data.near_duplicates`).
    """
    if not prompts:
        return []
    distinct = sorted(set(prompts))
    rank = {prompt: i for i, prompt in enumerate(distinct)}
    places = np.fromiter((rank[p] for p in prompts), dtype=np.int64, count=len(prompts))
    del rank
    sets = shingle_sets(distinct)
    del distinct
    numbers: list[int] = near_components(sets, threshold)[places].tolist()
    return numbers


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


Numbers = NDArray[np.int64]


def join(numbers: Numbers, left: Numbers, right: Numbers) -> Numbers:
    """`numbers` (from 0 on, below their count), made equal where the edges left[i] - right[i] tie them together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(left):
        return numbers
    ends = (numbers[left], numbers[right])
    graph = coo_array((np.ones(len(left), dtype=np.int8), ends), shape=(len(numbers), len(numbers)))
    joined: Numbers = connected_components(graph, directed=False)[1][numbers].astype(np.int64)
    return joined


def same_values(values: Sequence[object], rows: Sequence[int] | None = None) -> tuple[Numbers, Numbers]:
    """Edges from each of the rows (None: all) to the first one of equal value; None equals nothing."""
    first: dict[object, int] = {}
    edges = [
        (first[values[i]], i)
        for i in (range(len(values)) if rows is None else rows)
        if values[i] is not None and first.setdefault(values[i], i) != i
    ]
    left, right = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    return left, right


ROUNDS, BANDS, BAND_ROWS = 2, 16, 5
PERMUTATIONS = BANDS * BAND_ROWS
SIGNATURE_CHUNK = 1 << 15
SIGNATURE_SEED = 42
MAX_BUCKET_DISTANCE = 50
"""In a crowded bucket every row is compared with this many rows behind it, not with all: rows that are near each other
become one cluster all the same."""
EXHAUSTIVE_ROWS = 2000


def near_components(sets: Sets, threshold: float) -> Numbers:
    """A number for every row; rows of at least this similarity, and what those are similar to, share one.

    Up to 2,000 rows everything is compared with everything.
    """
    numbers = np.arange(sets.shape[0])
    if len(numbers) <= EXHAUSTIVE_ROWS:
        return join(numbers, *_all_pairs(sets, threshold))
    for seed in range(SIGNATURE_SEED, SIGNATURE_SEED + ROUNDS):
        for left, right in _candidates(sets, seed):
            apart = numbers[left] != numbers[right]  # the others are in one cluster already
            a, b = left[apart], right[apart]
            near = jaccard(sets, a, b) >= threshold
            numbers = join(numbers, a[near], b[near])
    return numbers


def _all_pairs(sets: Sets, threshold: float) -> tuple[Numbers, Numbers]:
    from scipy.sparse import csr_array

    sizes = np.diff(sets.indptr)
    grams, columns = np.unique(sets.indices, return_inverse=True)
    narrow = csr_array((np.ones(len(columns), np.int32), columns, sets.indptr), shape=(sets.shape[0], len(grams)))
    common = (narrow @ narrow.T).tocoo()
    left, right = common.coords
    near = common.data / (sizes[left] + sizes[right] - common.data) >= threshold
    return left[near], right[near]


def _candidates(sets: Sets, seed: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of rows that agree on at least one band, a band and a distance in its buckets at a time."""
    suspects = _suspects(sets, seed)
    for band in _bands(sets, suspects, seed):
        # Band and place in one integer: sorted, the buckets lie together and their rows in order.
        keys = band.astype(np.uint64) << np.uint64(32) | np.arange(len(band), dtype=np.uint64)
        keys.sort()
        bucket, row = keys >> np.uint64(32), suspects[(keys & np.uint64(0xFFFFFFFF)).astype(np.int64)]
        for distance in range(1, MAX_BUCKET_DISTANCE + 1):
            same = np.flatnonzero(bucket[distance:] == bucket[:-distance])
            if not len(same):
                break
            yield row[same], row[same + distance]


def _suspects(sets: Sets, seed: int) -> Numbers:
    """Rows that share a band with another one."""
    from rensa import RMinHashLSH

    index = RMinHashLSH(0.5, PERMUTATIONS, BANDS)  # the threshold is of no account for flags
    return np.flatnonzero(index.query_duplicate_flags_matrix_one_shot(_digest(sets, seed)))


def _bands(sets: Sets, suspects: Numbers, seed: int) -> NDArray[np.uint32]:
    """Shape (bands, suspects): each band's five numbers as one of 32 bits (two that meet by chance are told apart by
    the comparison)."""
    bands = np.zeros((BANDS, len(suspects)), dtype=np.uint32)
    factors = np.array([3, 5, 7, 11, 13], dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for start in range(0, len(suspects), SIGNATURE_CHUNK):
        rows = _digest(sets[suspects[start : start + SIGNATURE_CHUNK]], seed).to_rows()
        values = np.array(rows, dtype=np.uint64).reshape(-1, BANDS, BAND_ROWS)
        bands[:, start : start + SIGNATURE_CHUNK] = ((values * factors).sum(axis=2) >> np.uint64(32)).T
    return bands


def _digest(sets: Sets, seed: int) -> Any:
    from rensa import RMinHash

    return RMinHash.digest_matrix_from_flat_token_hashes(
        sets.indices.view(np.uint64), sets.indptr.astype(np.uint64), PERMUTATIONS, seed
    )
