"""The shorter of answer and expected answer, in words, divided by the longer: 1 is equally long."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import plain_words


class LengthRatio(RowMetric):
    """1 where both are empty."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        lengths = ((len(plain_words(a)), len(plain_words(b))) for a, b in zip(answers, expected, strict=True))
        return [min(pair) / max(pair) if any(pair) else 1.0 for pair in lengths]
