"""Texts in which it is known who is a copy of whom: a Zipf vocabulary, and copies with some of their words changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WORDS, VOCABULARY = 55, 30_000
COPY_SHARE = 0.1
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyz"))
CHUNK = 10_000
MOST_CHANGES = 6
"""Each changed word costs up to three of 53 triples: similarities from .95 down to about .5."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Planted:
    """`texts`, and for each planted copy its index, that of its original, and how many words were replaced."""

    texts: list[str]
    copies: Numbers
    originals: Numbers
    changes: Numbers


def plant(rows: int, seed: int = 1) -> Planted:
    """`rows` texts of 55 words; the last tenth are copies of other rows, each row copied at most once."""
    draw = np.random.default_rng(seed)
    words, pick = _vocabulary(draw), _picker(draw)
    copies = np.arange(rows - int(rows * COPY_SHARE), rows)
    originals = draw.choice(copies[0], size=len(copies), replace=False)
    changes = draw.integers(1, MOST_CHANGES + 1, size=len(copies))
    source: dict[int, NDArray[np.int32]] = {}
    wanted = set(originals.tolist())
    texts: list[str] = []
    for start in range(0, int(copies[0]), CHUNK):
        block = pick((min(CHUNK, int(copies[0]) - start), WORDS))
        texts += [" ".join(row) for row in words[block].tolist()]
        source |= {start + i: block[i] for i in range(len(block)) if start + i in wanted}
    for original, count in zip(originals.tolist(), changes.tolist(), strict=True):
        changed = source.pop(original).copy()
        changed[draw.choice(WORDS, size=count, replace=False)] = draw.integers(0, VOCABULARY, size=count)
        texts.append(" ".join(words[changed].tolist()))
    return Planted(texts, copies, originals, changes)


def _vocabulary(draw: np.random.Generator) -> NDArray[np.object_]:
    """Different words of three to eleven letters, the short ones more frequent."""
    lengths = np.sort(draw.integers(2, 11, size=VOCABULARY))
    words = ["".join(draw.choice(LETTERS, size=n)) + LETTERS[i % 26] for i, n in enumerate(lengths)]
    return np.array(words, dtype=object)


def _picker(draw: np.random.Generator) -> Callable[[tuple[int, int]], NDArray[np.int32]]:
    """Words as often as their rank says, as in language (Zipf)."""
    weights = (1.0 / np.arange(1, VOCABULARY + 1)).cumsum()
    ends = weights / weights[-1]
    return lambda shape: np.searchsorted(ends, draw.random(shape)).astype(np.int32)
