"""What is kept of every use of a private test set, and what a use brings: means, never a row."""

from __future__ import annotations

from typing import Literal

from tuneloop.results.evaluation import Metric
from tuneloop.results.result import Cost, Result

Purpose = Literal["report", "choose"]
"""To tell how good a chosen model is, or to choose one: the second makes the set an ordinary test set."""

PREFIX = "private_"
"""Of the names that private metrics have in tracking."""


class PrivateUse(Result):
    """A model was about to be scored: logged before anybody could see a score."""

    kind: Literal["use"] = "use"
    at: str
    recipe: str
    by: str
    """Who or what asked: a flow, or a person."""
    model: str
    model_hash: str
    data_version: str
    rows: int
    rows_hash: str
    """Of the content of all private rows."""
    sketch: list[str]
    """The smallest hashes of single rows: sets that share rows share some of these."""
    purpose: Purpose
    flow_run_id: str | None = None


class PrivatePromotion(Result):
    """A model became the champion; candidates that are scored from now on compete for the next place."""

    kind: Literal["promotion"] = "promotion"
    at: str
    model_hash: str


class PrivateReport(Result):
    """One model on the private rows, as means with intervals."""

    recipe: str
    model: str
    model_hash: str
    data_version: str
    rows: int
    rows_hash: str
    purpose: Purpose
    metrics: dict[str, Metric]
    confidence: float
    """Of the metrics' intervals."""
    models_scored: int = 1
    """Different models that have been scored on these rows so far, this one included."""
    optimism: dict[str, float] = {}
    """Metric -> how much too good the best of that many scores is expected to be at most."""
    warnings: list[str] = []
    cost: Cost

    @property
    def tracked(self) -> dict[str, float]:
        """The means under the names that they have in tracking."""
        return {f"{PREFIX}{name}": metric.value for name, metric in self.metrics.items()}
