"""Metrics that count words: overlap, length and repetition."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import Overlap, plain_words


class Precision(RowMetric):
    """Share of what the answer says that is expected: of labels where the recipe has them, otherwise of words.

    Precision of each row.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [overlap.precision for overlap in Overlap.of_rows(answers, expected, self.options.answer.labels)]


class Recall(RowMetric):
    """Share of what is expected that the answer says: of labels where the recipe has them, otherwise of words.

    Recall of each row.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [overlap.recall for overlap in Overlap.of_rows(answers, expected, self.options.answer.labels)]


class F1(RowMetric):
    """Harmonic mean of an answer's precision and recall: of labels where the recipe has them, otherwise of words.

    F1 of each row; its mean is not the macro F1 of the labels.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [overlap.f1 for overlap in Overlap.of_rows(answers, expected, self.options.answer.labels)]


class LengthRatio(RowMetric):
    """The shorter of answer and expected answer, in words, divided by the longer: 1 is equally long.

    1 where both are empty.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        lengths = ((len(plain_words(a)), len(plain_words(b))) for a, b in zip(answers, expected, strict=True))
        return [min(pair) / max(pair) if any(pair) else 1.0 for pair in lengths]


class LengthDifference(RowMetric):
    """How many words longer or shorter than the expected answer; lower is better, and there is no upper bound.

    In words, never negative.
    """

    lower_is_better = True

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        pairs = zip(answers, expected, strict=True)
        return [float(abs(len(plain_words(answer)) - len(plain_words(wanted)))) for answer, wanted in pairs]


class Repetition(RowMetric):
    """Share of runs of four words that the answer has said before (Welleck and others, 2020); lower is better.

    0 for answers of fewer than four words.
    """

    lower_is_better = True
    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:  # noqa: ARG002 (needs none)
        return [self._share_said_before(plain_words(answer)) for answer in answers]

    @staticmethod
    def _share_said_before(words: list[str]) -> float:
        runs = list(zip(words, words[1:], words[2:], words[3:], strict=False))
        return 1 - len(set(runs)) / len(runs) if runs else 0.0
