"""METEOR by words and stems, no synonyms: words matched, and how well their order is kept (Lavie and Agarwal, 2007)."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.meteor import meteor_scores
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class Meteor(RowMetric):
    """As NLTK has it, with a WordNet that knows no synonyms."""

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return meteor_scores(answers, expected)
