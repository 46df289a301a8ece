"""Short prompts that say the same in other words: their sentence vectors are close.

Only direct neighbours count, no chains: of 9,586 short questions to a bank (banking77), cosines of at least .85 chain
1,015 together and of .9 still 133, while the largest cluster by word triples has five rows.

Cost: embedding (some 400 short prompts per CPU-second with MiniLM), then a product of the test rows' vectors with all
others, in blocks of 64 MiB: 2 x 384 x tests x rows operations, memory in proportion to the rows, never to the pairs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuneloop.ports import Embedder

SHORT_WORDS = 32
"""Of longer prompts a sentence vector says only what they are about, and word triples say enough."""
BLOCK_CELLS = 1 << 24

Vectors = NDArray[np.float32]
Numbers = NDArray[np.int64]


def embed_short(prompts: Sequence[str], rows: Sequence[int], embedder: Embedder) -> tuple[Numbers, Vectors]:
    """Those of the rows whose prompt is short, and their vectors.

    They come back in the order of their prompts, not of the data: a vector depends a little on what else is in its
    batch.
    """
    short = sorted((i for i in rows if len(prompts[i].split()) <= SHORT_WORDS), key=lambda i: prompts[i])
    return np.array(short, dtype=np.int64), embedder.embed([prompts[i] for i in short])


def nearest(vectors: Vectors, targets: Vectors, cosine: float) -> Numbers:
    """For every vector the index of its nearest target (of equally near ones the first), -1 where none is this
    close. All are of unit length."""
    found = np.full(len(vectors), -1, dtype=np.int64)
    if not len(targets):
        return found
    step = max(BLOCK_CELLS // len(targets), 1)
    for start in range(0, len(vectors), step):
        likeness = vectors[start : start + step] @ targets.T
        best = likeness.argmax(axis=1)
        close = likeness[np.arange(len(best)), best] >= cosine
        found[start : start + step][close] = best[close]
    return found


def close_pairs(vectors: Vectors, cosine: float) -> tuple[Numbers, Numbers]:
    """All pairs (left < right) of vectors this close."""
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    step = max(BLOCK_CELLS // max(len(vectors), 1), 1)
    for start in range(0, len(vectors), step):
        likeness = vectors[start : start + step] @ vectors[start:].T
        pairs.append(np.argwhere(np.triu(likeness >= cosine, k=1)) + start)
    left, right = np.concatenate(pairs).T
    return left, right
