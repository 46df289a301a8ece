"""BLEU of single rows: sacrebleu's rules and formula around our count of n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from tuneloop.evaluation.modules.scoring.matches import word_matches

_ORDERS = 4
_ALONE = r"""!"#$%&()*+/:;<=>?@[\]^_`{|}~"""
"""Marks that always stand alone in the tokens called 13a."""


class _Pieces(dict[str, list[str]]):
    """Word -> its tokens, worked out once. The rules on full stops, commas and dashes never look beyond white space, so
    a word is all they need to see."""

    def __init__(self) -> None:
        self._split = TokenizerRegexp()

    def __missing__(self, word: str) -> list[str]:
        pieces: list[str] = self._split(f" {word} ").split()
        self[word] = pieces
        return pieces


def sentence_bleu(answers: Sequence[str], expected: Sequence[str]) -> list[float]:
    """Between 0 and 1; tokens 13a, exponential smoothing, only orders the answer is long enough for."""
    pieces = _Pieces()
    given, wanted = [_tokens(text, pieces) for text in answers], [_tokens(text, pieces) for text in expected]
    shared = word_matches(given, wanted, _ORDERS).tolist()
    return [_score(*row) for row in zip(shared, map(len, given), map(len, wanted), strict=True)]


def _tokens(text: str, pieces: _Pieces) -> list[str]:
    line = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in line:
        line = line.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    for mark in _ALONE:
        if mark in line:
            line = line.replace(mark, f" {mark} ")
    return list(chain.from_iterable(map(pieces.__getitem__, line.split())))


def _score(shared: list[int], given: int, wanted: int) -> float:
    totals = [max(0, given - order) for order in range(_ORDERS)]
    found = BLEU.compute_bleu(shared, totals, given, wanted, smooth_method="exp", effective_order=True)
    return min(1.0, float(found.score) / 100)  # rounding gives 1.0000000000000004 for equal texts
