"""Which row is for training, validation or testing: decided by a hash of the row's own key and nothing else.

A row's place is a number in [0, 1) made from its key (its group, or else its prompt) and a salt: the lowest part is the
test split, then validation, then training. Rows of a held-out or private source are where their source says. No other
row has a say, so rows that come or go never move one. Where near-copies fall into different splits, rows leave (see
`tuneloop.data.duplicates`); none changes sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from tuneloop.records import Split


def position(key: str, salt: str) -> float:
    """A number in [0, 1), evenly spread over keys, the same on every machine."""
    digest = hashlib.sha256(f"{salt}\x1f{key}".encode(errors="surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def own_split(key: str, *, train_share: float, validation_share: float, salt: str) -> Split:
    """The split of a row. `key` names what the row is about: its group, or its prompt.

    Where another source is the test set, call with `train_share = 1 - validation_share`: nothing is left for testing.
    """
    place = position(key, salt)
    test_share = 1.0 - train_share - validation_share
    if place < test_share - 1e-9:
        return "test"
    return "validation" if place < test_share + validation_share - 1e-9 else "train"


def stable_sample(ids: Iterable[str], n: int, salt: str) -> list[str]:
    """`n` of the ids (all, if fewer), in their own order: those first by hash, so a growing list changes few of
    them."""
    everyone = list(ids)
    chosen = set(sorted(everyone, key=lambda i: (position(i, salt), i))[: max(n, 0)])
    return [i for i in everyone if i in chosen]
