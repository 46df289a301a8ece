"""What a suite is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from tuneloop.evaluation.subject import Subject

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class SuiteScores:
    """Scores of a model on a suite.

    `frame` has one row per item: id, cluster (items that are variants of each other share one), category, and the
    columns named by `metrics`. `answers` has one dictionary per item (id, category, prompt, answer, and why it failed
    under `failure`, None where it did not); it is kept private, in the workspace.
    """

    frame: pd.DataFrame
    metrics: tuple[str, ...]
    lower_is_better: frozenset[str] = frozenset()
    answers: tuple[dict[str, Any], ...] = ()


class Suite(Protocol):
    """`name` is the key of the report's `suites` and the stem of its files."""

    @property
    def name(self) -> str: ...

    def identity(self) -> Any:
        """What the scores depend on besides the model: JSON with a hash of the items and a version of the scoring."""
        ...

    def measure(self, subject: Subject) -> SuiteScores:
        """Ask the model and score it."""
        ...
