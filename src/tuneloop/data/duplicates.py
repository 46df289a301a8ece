"""Copies and near-copies of prompts, joined to clusters. What follows for the rows is `tuneloop.data.twins`' business.

The way of a million prompts: equal ones once, sets of word triples (`shingles`), who is near whom (`signatures`), who
hangs together (`components`). All of it is arrays; time is linear in the words. Prompts are taken in their sorted
order, so the answer does not depend on the order of rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np

from tuneloop.data.shingles import shingle_sets
from tuneloop.data.signatures import near_components

_WORD = re.compile(r"\w+")


def normalise(text: str) -> str:
    """Case, accents' encoding, punctuation and spacing do not make two prompts different."""
    words = " ".join(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
    return words or text.strip().encode(errors="replace").decode()  # lone surrogates are no text that can be hashed


def find_clusters(prompts: Sequence[str], *, threshold: float) -> list[int]:
    """A cluster number for every prompt; equal and near-equal prompts (and what they are near to) share one.

    `prompts` are normalised; `threshold` is the least Jaccard similarity of their word triples. Every pair up to 2,000
    different prompts; with more a pair is missed with probability .003 at similarity .7, .0002 at .75, and
    never joined wrongly (see `tuneloop.data.signatures`).
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
