"""Which row is for training, validation or testing: decided by hashes, so the answer outlives every change of the data.

A row's place is a number in [0, 1) made from its key and a salt: the lowest part is the test split, then validation,
then training. Rows of one cluster (near-copies, or one group) go together, to the strictest split any of them has by
itself. So rows that arrive later can pull a cluster from training towards testing, but nothing ever goes the other way,
and a test row never becomes a training row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from tuneloop.records import Split

STRICTEST_FIRST: tuple[Split, ...] = ("test", "validation", "train")


def position(key: str, salt: str) -> float:
    """A number in [0, 1), evenly spread over keys, the same on every machine."""
    digest = hashlib.sha256(f"{salt}\x1f{key}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def own_split(key: str, *, train_share: float, validation_share: float, salt: str) -> Split:
    """The split of a row that is alone in its cluster. `key` names what the row is about: its group, or its prompt.

    Where another source is the test set, call with `train_share = 1 - validation_share`: nothing is left for testing.
    """
    place = position(key, salt)
    test_share = 1.0 - train_share - validation_share
    if place < test_share - 1e-9:
        return "test"
    return "validation" if place < test_share + validation_share - 1e-9 else "train"


def strictest_in_cluster(own: Sequence[Split], clusters: Sequence[int]) -> list[Split]:
    """For every row the strictest split that any row of its cluster has by itself."""
    strictest: dict[int, Split] = {}
    for cluster, split in zip(clusters, own, strict=True):
        strictest[cluster] = min(split, strictest.get(cluster, split), key=STRICTEST_FIRST.index)
    return [strictest[c] for c in clusters]


def stable_sample(ids: Iterable[str], n: int, salt: str) -> list[str]:
    """`n` of the ids (all, if fewer), in their own order: those first by hash, so a growing list changes few of
    them."""
    everyone = list(ids)
    chosen = set(sorted(everyone, key=lambda i: (position(i, salt), i))[: max(n, 0)])
    return [i for i in everyone if i in chosen]
