"""How many words longer or shorter than the expected answer; lower is better, and there is no upper bound."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import plain_words


class LengthDifference(RowMetric):
    """In words, never negative."""

    lower_is_better = True

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        pairs = zip(answers, expected, strict=True)
        return [float(abs(len(plain_words(answer)) - len(plain_words(wanted)))) for answer, wanted in pairs]
