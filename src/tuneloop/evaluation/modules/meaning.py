"""Metrics of meaning, by sentence vectors."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.errors import RecipeError
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.similarity import similarities


class SemanticSimilarity(RowMetric):
    """Cosine of the sentence vectors of answer and expected answer; opposite meanings count 0.

    Needs an `Embedder`.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        if self.options.embedder is None:
            raise RecipeError("the metric semantic_similarity needs sentence vectors: pass an `Embedder`")
        return similarities(answers, expected, self.options.embedder)
