"""METEOR (Lavie and Agarwal, 2007) by words and stems, as NLTK computes it on the same words with an empty WordNet.

The data of WordNet, and of the sentence splitter on which NLTK's word splitter relies, would have to be downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

from nltk.stem.porter import PorterStemmer

from tuneloop.evaluation.modules.scoring.words import words_and_marks

_PRECISION_WEIGHT, _RECALL_WEIGHT = 0.9, 0.1
_LARGEST_PENALTY, _PENALTY_POWER = 0.5, 3

Places = list[tuple[int, str]]
"""Words with where they stand."""


def meteor_scores(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1, one number per row."""
    # Words come again and again, and working out a stem is slow.
    stem = lru_cache(maxsize=100_000)(PorterStemmer().stem)
    pairs = zip(answers, expected, strict=True)
    return [_score(words_and_marks(answer), words_and_marks(wanted), stem) for answer, wanted in pairs]


def _score(given: Sequence[str], wanted: Sequence[str], stem: Callable[[str], str]) -> float:
    same, given_left, wanted_left = _align(list(enumerate(given)), list(enumerate(wanted)))
    akin, _, _ = _align(_stemmed(given_left, stem), _stemmed(wanted_left, stem))
    matches = sorted(same + akin)
    if not matches:
        return 0.0
    precision, recall = len(matches) / len(given), len(matches) / len(wanted)
    mean = precision * recall / (_PRECISION_WEIGHT * precision + _RECALL_WEIGHT * recall)
    chunks = 1 + sum(b[0] != a[0] + 1 or b[1] != a[1] + 1 for a, b in pairwise(matches))
    return mean * (1 - _LARGEST_PENALTY * (chunks / len(matches)) ** _PENALTY_POWER)


def _align(given: Places, wanted: Places) -> tuple[list[tuple[int, int]], Places, Places]:
    """Pairs of places with the same word, from the end, each with the last one that is free; and what is left."""
    free: dict[str, list[int]] = {}
    for place, word in wanted:
        free.setdefault(word, []).append(place)
    matches, left = [], []
    for place, word in reversed(given):
        if places := free.get(word):
            matches.append((place, places.pop()))
        else:
            left.append((place, word))
    taken = {place for _, place in matches}
    return matches, left[::-1], [found for found in wanted if found[0] not in taken]


def _stemmed(places: Places, stem: Callable[[str], str]) -> Places:
    return [(place, stem(word)) for place, word in places]
