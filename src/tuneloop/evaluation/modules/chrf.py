"""chrF: runs of one to six characters in common, recall counting twice (Popović, 2015)."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.chrf import sentence_chrf
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Chrf(RowMetric):
    """As sacrebleu's `sentence_chrf` has it, divided by 100."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return sentence_chrf(answers, expected)
