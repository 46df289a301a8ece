"""Measure how balanced and how diverse the rows are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.near_duplicates import normalise
from tuneloop.data.splitting import stable_sample
from tuneloop.recipes import Balance
from tuneloop.records import Record

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


# Every row counts at one slice only: at the smallest of those it belongs to. Rows that belong to none are left alone.
# Whoever stays is decided by hash, so growing data changes few of the choices.


MIN_STANDARD_ROWS = 10
"""A slice with fewer rows is no standard for the others: one stray label must not cost nearly all rows."""

MAX_APPEARANCES = 5
"""A row is never seen more often per epoch than this; it would be learnt by heart before its slice was large enough."""


@dataclass(frozen=True, slots=True)
class Balanced:
    """`kept`: ids that are trained on. `repeated`: id -> how many copies of it come on top."""

    kept: frozenset[str]
    repeated: Mapping[str, int]


def balanced(
    ids_by_slice: Mapping[str, Sequence[str]], balance: Balance, salt: str, protected: Collection[str] = ()
) -> Balanced:
    """Bring the slices within `balance.max_ratio` of each other.

    downsample: a slice keeps at most `max_ratio` times as many rows as the smallest slice of at least
    `MIN_STANDARD_ROWS` rows has. `protected` ids (reviewers' corrections) always stay; they are counted first.
    upsample: rows of small slices are repeated until the largest slice has at most `max_ratio` times as many, but no
    row appears more than `MAX_APPEARANCES` times.
    """
    slices = _each_once(ids_by_slice)
    if balance.method == "upsample":
        return Balanced(frozenset(i for ids in slices.values() for i in ids), _repeats(slices, balance.max_ratio, salt))
    standards = [len(ids) for ids in slices.values() if len(ids) >= MIN_STANDARD_ROWS]
    limit = floor(balance.max_ratio * min(standards, default=0) + 1e-9)
    return Balanced(frozenset(i for ids in slices.values() for i in _within(ids, limit, salt, protected)), {})


def repeats_of(record: Record, copies: int) -> list[Record]:
    """The copies of an upsampled row, marked as synthetic; their ids are `ID~repeat1`, `ID~repeat2`..."""
    mark = {"synthetic": {"method": "repeat", "of": record.id}}
    return [replace(record, id=f"{record.id}~repeat{n}", extra={**record.extra, **mark}) for n in range(1, copies + 1)]


def _each_once(ids_by_slice: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    slices: defaultdict[str, list[str]] = defaultdict(list)
    taken: set[str] = set()
    for name in sorted(ids_by_slice, key=lambda s: (len(ids_by_slice[s]), s)):
        for row in ids_by_slice[name]:
            if row not in taken:
                taken.add(row)
                slices[name].append(row)
    return dict(slices)


def _within(ids: Sequence[str], limit: int, salt: str, protected: Collection[str]) -> list[str]:
    if len(ids) <= max(limit, MIN_STANDARD_ROWS):
        return list(ids)
    always = [i for i in ids if i in protected]
    free = [i for i in ids if i not in protected]
    return always + stable_sample(free, limit - len(always), salt)


def _repeats(slices: Mapping[str, Sequence[str]], max_ratio: float, salt: str) -> dict[str, int]:
    wanted = ceil(max(map(len, slices.values()), default=0) / max_ratio - 1e-9)
    copies: dict[str, int] = {}
    for ids in slices.values():
        whole, rest = divmod(min(wanted, MAX_APPEARANCES * len(ids)), len(ids))
        once_more = set(stable_sample(ids, rest, salt)) if whole else set()
        copies |= {i: n for i in ids if (n := whole - 1 + (i in once_more)) > 0}
    return copies
