"""1 for JSON with the required keys, only allowed labels, and as the recipe's JSON Schema wants it."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.answer_fields import has_wanted_form, read_schema
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric


class ValidJson(RowMetric):
    """Form only: the expected answer is not looked at."""

    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:  # noqa: ARG002 (form needs none)
        form = self.options.answer
        schema = read_schema(form.json_schema, self.options.root) if form.json_schema else None
        return [float(has_wanted_form(answer, form.required_keys, form.labels, schema)) for answer in answers]
