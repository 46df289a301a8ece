"""BLEU of each answer: runs of one to four words in common, smoothed (Papineni and others, 2002)."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.bleu import sentence_bleu
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Bleu(RowMetric):
    """As sacrebleu's `sentence_bleu` has it, divided by 100."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return sentence_bleu(answers, expected)
