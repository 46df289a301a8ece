"""Words of many texts counted at once, in Arrow and numpy: about six microseconds for a text of eighty words, where a
loop over Python sets takes fifteen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Frequent English words that no other language's texts are full of: "in", "is", "was", "for", "to", "an", "me" or "of"
# would be wrong here. tests/tuneloop/data/test_languages.py holds them against spaCy's lists of other languages.
_ENGLISH = (
    "the and you your yours this that these those they them their there with would could should which what when "
    "where who how why because about been being does doesn't don't did didn't can can't won't wouldn't isn't wasn't "
    "couldn't haven't i'm i've i'll i'd it's that's there's what's you're we're please only very much than then from "
    "each every other after before again through while until both any some our his she were if but not need know get "
    "make made just now still without between during since however whether"
)
_ALSO_ELSEWHERE = (
    "a i to is of in for on it my me an at be was will have has had are we can't do so or as by with no up all over "
    "one also here he him her its many most more want us out off into am under"
)
ENGLISH_WORDS = frozenset(_ENGLISH.split())
FREQUENT_WORDS = ENGLISH_WORDS | frozenset(_ALSO_ELSEWHERE.split())
"""With those that other languages have as well: enough of them are a sign only together with unmistakable ones."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """One entry per text: its words (between ASCII white space), the different ones among them, those that
    are of `FREQUENT_WORDS` and the different ones of `ENGLISH_WORDS`. ASCII letters count without their case."""

    words: NDArray[np.int64]
    distinct: NDArray[np.int64]
    frequent: NDArray[np.int64]
    distinct_english: NDArray[np.int64]


def count_words(texts: Any) -> WordCounts:
    """Of an array made by `tuneloop.data.hints.as_arrow`."""
    import pyarrow.compute as pc

    lists = pc.ascii_split_whitespace(pc.ascii_lower(texts))
    ends = lists.offsets.to_numpy().astype(np.int64)
    coded = lists.flatten().dictionary_encode()
    codes = coded.indices.to_numpy().astype(np.int64)
    vocabulary = coded.dictionary.to_pylist()
    is_english, is_frequent = (
        np.array([w in known for w in vocabulary], dtype=bool) for known in (ENGLISH_WORDS, FREQUENT_WORDS)
    )
    counts = np.diff(ends)
    rows = np.repeat(np.arange(len(texts)), counts)
    size = max(len(is_english), 1)
    different = np.sort(rows * size + codes)
    different = different[np.r_[True, different[1:] != different[:-1]]] if len(different) else different

    def per_text(of: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.bincount(of, minlength=len(texts)).astype(np.int64)

    return WordCounts(
        counts,
        per_text(different // size),
        per_text(rows[is_frequent[codes]]),
        per_text(different[is_english[different % size]] // size),
    )
