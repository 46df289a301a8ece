"""What the loop needs from the outside world, as protocols. The adapters/ folder has one file per real system."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One answer to be judged. `scores` are automatic metrics, shown as metadata only, never as suggested ratings."""

    id: str
    prompt: str
    answer: str
    model: str
    scores: Mapping[str, float]
    vector: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """What one person said of one item. `reviewer` is a pseudonymous id, never a name."""

    response_id: str
    item_id: str
    review_set: str
    reviewer: str
    submitted_at: str
    prompt: str
    answer: str
    model: str
    rating: int | None
    issues: tuple[str, ...]
    correction: str | None


class ReviewDesk(Protocol):
    """A place where people judge answers (Argilla)."""

    def publish(
        self, name: str, items: Sequence[ReviewItem], *, guidelines: str, issue_tags: Sequence[str], min_submitted: int
    ) -> str:
        """Create the review set if it is not there, add the items that are missing, return its web address."""
        ...

    def answers(self, project: str) -> list[ReviewAnswer]:
        """All submitted responses of all review sets whose name starts with `project`."""
        ...


class Registry(Protocol):
    """Tracking and model registry (MLflow)."""

    def log_round(
        self,
        experiment: str,
        run_name: str,
        *,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        artifacts: Sequence[Path],
    ) -> str:
        """Record one round once (same run_name: updated) and return the run id."""
        ...

    def register(self, model: str, run_id: str, *, artifact: Path, tags: Mapping[str, str]) -> str:
        """Register the artefact as a version of `model` once (same artefact hash: same version); return the version."""
        ...

    def promote(self, model: str, version: str) -> None:
        """Point the alias `champion` at the version; the old one becomes `previous`."""
        ...

    def champion(self, model: str) -> Mapping[str, str] | None:
        """Tags of the champion's version (with `version`), or None."""
        ...


class Embedder(Protocol):
    """Sentences to vectors."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dimension), rows of unit length."""
        ...
