"""Share of the recipe's terms kept: required ones where the expected answer has them, forbidden ones avoided."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.terms import share_of_terms_kept


class TermAccuracy(RowMetric):
    """1 where no term applies. Without an expected answer the forbidden terms alone do."""

    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        terms = self.options.terms
        return share_of_terms_kept(answers, expected, required=terms.required, forbidden=terms.forbidden)
