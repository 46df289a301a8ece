"""The languages of many texts. Most are plainly English, and that is seen without asking a model."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.data.text_marks import UNKNOWN_LANGUAGE, detect_language, has_enough_letters
from tuneloop.data.words import WordCounts

MIN_ENGLISH_WORDS = 2
"""Different ones that only English has."""
MIN_FREQUENT_SHARE = 0.33
"""Of all words; English prose has more than half of them, and a quotation does not make a text English."""

_TYPOGRAPHY = str.maketrans("", "", "\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u2022\u00a0\u20ac\u00a3\u00b0")


def detect_languages(texts: Sequence[str], counts: WordCounts, allowed: Sequence[str]) -> list[str]:
    """What `detect_language` says of each text, but that a plainly English one is not shown to the model.

    `counts` are those of the same texts. Where a recipe allows languages, but not English, the model reads everything:
    only there would a wrong "en" cost a row.
    """
    if allowed and "en" not in allowed:
        return [detect_language(t) for t in texts]
    plain = (counts.distinct_english >= MIN_ENGLISH_WORDS) & (counts.frequent >= MIN_FREQUENT_SHARE * counts.words)
    known: dict[str, str] = {}
    for text, english in zip(texts, plain.tolist(), strict=True):
        if text not in known:
            sure = english and _is_english_script(text) and has_enough_letters(text)
            known[text] = "en" if sure else detect_language(text)
    return [known[t] for t in texts]


def first_not_allowed(first: Sequence[str], second: Sequence[str], allowed: Sequence[str]) -> list[str]:
    """Of two languages the one that a recipe does not allow; the first where both or neither are allowed."""
    fine = {*allowed, UNKNOWN_LANGUAGE}
    return (
        [b if a in fine and b not in fine else a for a, b in zip(first, second, strict=True)] if allowed else [*first]
    )


def _is_english_script(text: str) -> bool:
    return text.isascii() or text.translate(_TYPOGRAPHY).isascii()
