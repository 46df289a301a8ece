"""Mean words per sentence of the answer: plain language wants short ones; lower is better."""

import re
from collections.abc import Sequence

from tuneloop.evaluation.modules.scoring.row_metric import RowMetric

SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)")


class SentenceLength(RowMetric):
    """In words, so not between 0 and 1; an empty answer has 0."""

    lower_is_better = True
    needs_expected = False

    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> list[float]:  # noqa: ARG002 (needs none)
        return [mean_words(answer) for answer in answers]


def mean_words(text: str) -> float:
    """Words of the text divided by its sentences."""
    sentences = [part for part in SENTENCE_END.split(text) if part.strip()]
    return len(text.split()) / max(1, len(sentences))
