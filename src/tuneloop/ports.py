"""What the loop needs from the outside world, as protocols. The adapters/ folder has one file per real system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuneloop.records import Record

A = TypeVar("A")
B = TypeVar("B")


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


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version in the model registry. `created_at` is ISO 8601 in UTC, `aliases` are the names that point at it."""

    version: str
    run_id: str
    created_at: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


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
        documents: Mapping[str, str] | None = None,
    ) -> str:
        """Record one round once (same run_name: updated) and return the run id. `documents`: file name -> text."""
        ...

    def log_curves(
        self, experiment: str, run_name: str, *, curves: Mapping[str, Sequence[tuple[int, float]]], finished: bool
    ) -> None:
        """Add points to the round's metrics while it goes: metric -> (step, value); each step once."""
        ...

    def register(self, model: str, run_id: str, *, artifact: Path, tags: Mapping[str, str]) -> str:
        """Register the artefact as a version of `model` once (same artefact hash: same version); return the version."""
        ...

    def versions(self, model: str) -> list[ModelVersion]:
        """All versions of the model, oldest first; none if nothing was registered yet."""
        ...

    def set_alias(self, model: str, alias: str, version: str | None) -> None:
        """Point the alias at the version, or take it away (None). Repeating it changes nothing."""
        ...

    def set_tags(self, model: str, version: str, tags: Mapping[str, str]) -> None:
        """Add tags to a version, or replace them."""
        ...

    def champion(self, model: str) -> Mapping[str, str] | None:
        """Tags of the champion's version (with `version`), or None."""
        ...


class TokenCounter(Protocol):
    """How long training examples are for the model that will read them."""

    def count(self, records: Sequence[Record]) -> list[int]:
        """Tokens of each example, template and system prompt included; 0 where the chat template refuses the row."""
        ...

    def at_most(self, records: Sequence[Record]) -> list[int]:
        """An upper bound for each example that is found without tokenising it; 0 as in `count`."""
        ...


class Rewriter(Protocol):
    """A language model that says the same in other words."""

    def rewrite(self, texts: Sequence[str], instruction: str) -> list[str]:
        """One new text for each, or "" where none came out."""
        ...


class Executor(Protocol):
    """Where the work on chunks of rows is done: here, in processes beside this one, or on a cluster."""

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        """`function` of every chunk, in the order of the chunks; only a few chunks are held at a time."""
        ...


class Embedder(Protocol):
    """Sentences to vectors."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dimension), rows of unit length."""
        ...


class Completer(Protocol):
    """A language model that is asked short questions: the judge of two answers."""

    @property
    def identity(self) -> str:
        """Names the model among all: its answers are remembered under it."""
        ...

    def complete(self, instructions: str, questions: Sequence[str]) -> Iterator[str]:
        """The answer to each question, in their order and as they come; "" where there is none."""
        ...
