"""What a metric file defines: one class that scores rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import datasets
import evaluate
import numpy as np

from tuneloop.evaluation.metrics import MetricOptions


class RowMetric(evaluate.Metric, ABC):  # type: ignore[misc]
    """A module of the `evaluate` library with one number per answer: the gate compares models row by row.

    A metric of yours is a file with one subclass, which is loaded by its path; the first line of the file's docstring
    describes it. `lower_is_better` and `needs_expected` are read from the source before the file is run, so they must
    be written as True or False. Where no expected answer is needed, it may be "": such a metric also scores answers to
    prompts that nobody has answered before. `options` is what the recipe says of answers.
    """

    lower_is_better: ClassVar[bool] = False
    needs_expected: ClassVar[bool] = True
    options = MetricOptions()

    @abstractmethod
    def score_rows(self, answers: Sequence[str], expected: Sequence[str]) -> Sequence[float]:
        """One finite number for each answer, in their order; `answers` and `expected` are equally long."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(
            description=type(self).__doc__, citation="", inputs_description="texts", features=features
        )

    def _compute(
        self, predictions: Sequence[str], references: Sequence[str], options: MetricOptions | None = None
    ) -> dict[str, Any]:
        self.options = options or MetricOptions()
        scores = [float(score) for score in self.score_rows(predictions, references)]
        return {"mean": float(np.mean(scores)), "scores": scores}
