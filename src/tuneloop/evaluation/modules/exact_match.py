"""1 for an answer that is the expected one, character by character; white space around it does not count."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class ExactMatch(RowMetric):
    """Equality of stripped texts."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [float(answer.strip() == wanted.strip()) for answer, wanted in zip(answers, expected, strict=True)]
