"""Share of the labelled keys of a JSON answer that are as expected; 0 when it is not JSON."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.answer_fields import share_of_equal_fields
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class FieldAccuracy(RowMetric):
    """Without labels, the required keys; without those, all keys of the expected answer."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        keys = tuple(self.options.answer.labels) or self.options.answer.required_keys
        pairs = zip(answers, expected, strict=True)
        return [share_of_equal_fields(answer, wanted, keys) for answer, wanted in pairs]
