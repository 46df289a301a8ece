"""Near-copies among many prompts: rensa's MinHash says who may be alike, exact comparison who is.

Signatures have 160 permutations in 32 bands of 5 rows: two prompts of Jaccard similarity .7 meet in a band with
probability .997 (1 - (1 - s^5)^32), of .75 with .9998. They are made in two rounds of 16 bands, to have half of them
in memory at a time: of a million rows 320 MB.

What is rensa's: the signatures, and its one-shot question "which rows share a band with any other row", both in Rust
over the whole flat array. Only for those rows (few, in ordinary data) are signatures handed over: as Python lists they
cost more than everything before. What is ours: who shares a band with whom, and the comparison.
`RMinHashDeduplicator` compares estimates, first come, first kept: what it finds depends on the order of rows, and it
misses three in ten pairs of similarity .70-.75 (benchmarks/near_duplicates.py). `CMinHashDeduplicator` is the same on
other signatures; neither can be told to compare exactly. datasketch is ten times slower.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.components import join
from tuneloop.data.shingles import Sets, jaccard

ROUNDS, BANDS, BAND_ROWS = 2, 16, 5
PERMUTATIONS = BANDS * BAND_ROWS
SIGNATURE_CHUNK = 1 << 15
SIGNATURE_SEED = 42
MAX_BUCKET_DISTANCE = 50
"""In a crowded bucket every row is compared with this many rows behind it, not with all: rows that are near each other
become one cluster all the same."""
EXHAUSTIVE_ROWS = 2000

Numbers = NDArray[np.int64]


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
