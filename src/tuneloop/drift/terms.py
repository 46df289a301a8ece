"""What a window talks about that the reference does not, in single words that name nobody."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

_ADDRESS = re.compile(r"\S*(?:@|://|www\.)\S*")
_WORD = re.compile(r"(?<![\w'])[^\W\d_]{3,20}(?![\w'])")
_SENTENCE_START = re.compile(r"(?:^|[.!?:;\n\"(]\s*)$")
_PRIOR = 0.5


def nearest_terms(
    reference_texts: Sequence[str], window_texts: Sequence[str], *, top: int = 6, min_rows: int = 3
) -> list[str]:
    """Up to `top` lower-case words, the most over-represented in the window first.

    Ranked by the log-odds of a row containing the word, divided by its standard error (Monroe et al., 2008). A word
    counts once a row and must be in `min_rows` rows of the window, so that no single message shows through. Anything
    with a digit, addresses, and words written with a capital inside a sentence (names) are left out.
    """
    window = Counter(word for text in window_texts for word in _words(text))
    reference = Counter(word for text in reference_texts for word in _words(text))
    names = _mostly_capitalised(window_texts)
    scores = {
        word: _z_score(count, len(window_texts), reference[word], len(reference_texts))
        for word, count in window.items()
        if count >= min_rows and word not in names
    }
    return [word for word, score in sorted(scores.items(), key=lambda s: (-s[1], s[0])) if score > 0][:top]


def _words(text: str) -> set[str]:
    return {match.group().casefold() for match in _WORD.finditer(_ADDRESS.sub(" ", text))}


def _mostly_capitalised(texts: Sequence[str]) -> set[str]:
    """Words that begin with a capital in at least half of their places inside a sentence."""
    capital: Counter[str] = Counter()
    inside: Counter[str] = Counter()
    for text in (_ADDRESS.sub(" ", text) for text in texts):
        for match in _WORD.finditer(text):
            if not _SENTENCE_START.search(text[: match.start()]):
                inside[match.group().casefold()] += 1
                capital[match.group().casefold()] += match.group()[0].isupper()
    return {word for word, count in inside.items() if 2 * capital[word] >= count}


def _z_score(in_window: int, window_rows: int, in_reference: int, reference_rows: int) -> float:
    def odds(count: int, rows: int) -> tuple[float, float]:
        yes, no = count + _PRIOR, rows - count + _PRIOR
        return float(np.log(yes / no)), 1 / yes + 1 / no

    (window, window_variance), (reference, reference_variance) = (
        odds(in_window, window_rows),
        odds(in_reference, reference_rows),
    )
    return float((window - reference) / np.sqrt(window_variance + reference_variance))
