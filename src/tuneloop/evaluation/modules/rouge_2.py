"""ROUGE-2: pairs of neighbouring words in common, as F1 (Lin, 2004)."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.rouge import rouge_n
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Rouge2(RowMetric):
    """As the package rouge-score has it, without a stemmer."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return rouge_n(answers, expected, 2)
