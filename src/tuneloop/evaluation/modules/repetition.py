"""Share of runs of four words that the answer has said before (Welleck and others, 2020); lower is better."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import plain_words


class Repetition(RowMetric):
    """0 for answers of fewer than four words."""

    lower_is_better = True
    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:  # noqa: ARG002 (needs none)
        return [_share_said_before(plain_words(answer)) for answer in answers]


def _share_said_before(words: list[str]) -> float:
    runs = list(zip(words, words[1:], words[2:], words[3:], strict=False))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
