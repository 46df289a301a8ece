"""1 for an answer whose labels are all right, or, in recipes without labels, whose words are the expected ones."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.answer_fields import has_expected_labels
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import plain_words


class Accuracy(RowMetric):
    """Right or wrong as a whole."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        labels = self.options.answer.labels
        pairs = zip(answers, expected, strict=True)
        if labels:
            return [float(has_expected_labels(answer, wanted, labels)) for answer, wanted in pairs]
        return [float(_words(answer) == _words(wanted)) for answer, wanted in pairs]


def _words(text: str) -> list[str]:
    return plain_words(text) or text.split()  # where there are no words, marks and emoji count
