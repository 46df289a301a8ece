"""ROUGE (Lin, 2004), equal to the package rouge-score without its stemmer, and many times as fast."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.matches import word_matches
from tuneloop.evaluation.modules.scoring.subsequences import common_length
from tuneloop.evaluation.modules.scoring.words import rouge_words


def rouge_n(answers: Sequence[str], expected: Sequence[str], order: int) -> list[float]:
    """F1 of the n-grams of `order` words, one number per row."""
    given, wanted = [rouge_words(text) for text in answers], [rouge_words(text) for text in expected]
    shared = word_matches(given, wanted, order)[:, order - 1].tolist()
    rows = zip(shared, given, wanted, strict=True)
    return [f1(hits, len(answer) - order + 1, len(right) - order + 1) for hits, answer, right in rows]


def rouge_l(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """F1 of the longest common subsequence of words, one number per row."""
    pairs = ((rouge_words(answer), rouge_words(wanted)) for answer, wanted in zip(answers, expected, strict=True))
    return [f1(common_length(given, wanted), len(given), len(wanted)) for given, wanted in pairs]


def f1(hits: int, given: int, wanted: int) -> float:
    """Harmonic mean of precision (hits of those given) and recall (of those wanted); 0 without hits."""
    if not hits:
        return 0.0
    precision, recall = hits / given, hits / wanted
    return 2 * precision * recall / (precision + recall)
