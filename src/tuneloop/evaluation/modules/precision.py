"""Share of what the answer says that is expected: of labels where the recipe has them, otherwise of words."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.overlap import Overlap
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Precision(RowMetric):
    """Precision of each row."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [overlap.precision for overlap in Overlap.of_rows(answers, expected, self.options.answer.labels)]
