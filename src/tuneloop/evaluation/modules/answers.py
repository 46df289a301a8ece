"""Metrics of an answer as a whole, of its fields and of its terms."""

from __future__ import annotations

from collections.abc import Sequence

from tuneloop.evaluation.answer_fields import has_expected_labels, has_wanted_form, read_schema, share_of_equal_fields
from tuneloop.evaluation.modules.scoring.row_metric import RowMetric
from tuneloop.evaluation.modules.scoring.words import plain_words, share_of_terms_kept


class ExactMatch(RowMetric):
    """1 for an answer that is the expected one, character by character; white space around it does not count.

    Equality of stripped texts.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [float(answer.strip() == wanted.strip()) for answer, wanted in zip(answers, expected, strict=True)]


class Accuracy(RowMetric):
    """1 for an answer whose labels are all right, or, in recipes without labels, whose words are the expected ones.

    Right or wrong as a whole.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        labels = self.options.answer.labels
        pairs = zip(answers, expected, strict=True)
        if labels:
            return [float(has_expected_labels(answer, wanted, labels)) for answer, wanted in pairs]
        return [float(self._words(answer) == self._words(wanted)) for answer, wanted in pairs]

    @staticmethod
    def _words(text: str) -> list[str]:
        return plain_words(text) or text.split()  # where there are no words, marks and emoji count


class ValidJson(RowMetric):
    """1 for JSON with the required keys, only allowed labels, and as the recipe's JSON Schema wants it.

    Form only: the expected answer is not looked at.
    """

    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:  # noqa: ARG002 (form needs none)
        form = self.options.answer
        schema = read_schema(form.json_schema, self.options.root) if form.json_schema else None
        return [float(has_wanted_form(answer, form.required_keys, form.labels, schema)) for answer in answers]


class FieldAccuracy(RowMetric):
    """Share of the labelled keys of a JSON answer that are as expected; 0 when it is not JSON.

    Without labels, the required keys; without those, all keys of the expected answer.
    """

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        keys = tuple(self.options.answer.labels) or self.options.answer.required_keys
        pairs = zip(answers, expected, strict=True)
        return [share_of_equal_fields(answer, wanted, keys) for answer, wanted in pairs]


class TermAccuracy(RowMetric):
    """Share of the recipe's terms kept: required ones where the expected answer has them, forbidden ones avoided.

    1 where no term applies. Without an expected answer the forbidden terms alone do.
    """

    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:
        terms = self.options.terms
        return share_of_terms_kept(answers, expected, required=terms.required, forbidden=terms.forbidden)
