"""Harmonic mean of an answer's precision and recall: of labels where the recipe has them, otherwise of words."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.overlap import Overlap
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class F1(RowMetric):
    """F1 of each row; its mean is not the macro F1 of the labels."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [overlap.f1 for overlap in Overlap.of_rows(answers, expected, self.options.answer.labels)]
