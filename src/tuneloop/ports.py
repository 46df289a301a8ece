"""What the loop needs from the outside world, as protocols. The adapters/ folder has one file per real system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuneloop.records import Record
from tuneloop.severities import Severity

if TYPE_CHECKING:
    import pandas as pd

    from tuneloop.recipes import Checks
    from tuneloop.results import Check

A = TypeVar("A")
B = TypeVar("B")


ReviewKind = Literal["answers", "preference", "data_sample", "red_team", "drifted_slice", "adjudication"]
"""What a review set is about; `adjudication` holds records on which reviewers disagreed."""

ReviewStatus = Literal["submitted", "draft", "discarded"]


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """One answer to be judged, or two to be compared.

    `scores` are automatic metrics, shown as metadata only, never as suggested ratings; `labels` are words of the same
    use (slice, category, why it was chosen). `alternative` is the second answer in a preference or adjudication set.
    Which of two answers stands first is decided by whoever makes the item, blindly; people are never shown the models.
    """

    id: str
    prompt: str
    answer: str
    model: str
    scores: Mapping[str, float]
    vector: Sequence[float] | None = None
    alternative: str | None = None
    alternative_model: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReviewForm:
    """What is asked about every item of a set. `guidelines` is Markdown."""

    guidelines: str
    kind: ReviewKind = "answers"
    issue_tags: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    min_submitted: int = 1
    text_format: Literal["plain", "markdown", "chat"] = "plain"


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """What one person said of one item. `reviewer` is a pseudonymous id, never a name.

    Drafts and discarded answers come too: an answer that was submitted once may be taken back. `rating` and the
    `dimensions` go from 1 to 5. `preferred` is which of two answers is better. `started_at` is when the response was
    first saved, `submitted_at` when it was last changed.
    """

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
    kind: ReviewKind = "answers"
    status: ReviewStatus = "submitted"
    started_at: str = ""
    dimensions: Mapping[str, int] = field(default_factory=dict)
    alternative: str | None = None
    alternative_model: str = ""
    preferred: Literal["answer", "alternative", "tie"] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetProgress:
    """How far a review set is. `waiting`: reviewer -> records that wait for this reviewer."""

    review_set: str
    kind: ReviewKind
    url: str
    records: int
    completed: int
    min_submitted: int
    waiting: Mapping[str, int]


class AnnotationBackend(Protocol):
    """A place where people judge answers: Argilla, or files that are passed around."""

    def publish(self, name: str, items: Sequence[ReviewItem], form: ReviewForm) -> str:
        """Create the review set if it is not there, add the items that are missing, return its address."""
        ...

    def answers(self, project: str) -> list[ReviewAnswer]:
        """All responses, whatever their status, of all review sets whose name starts with `project`, oldest first."""
        ...

    def progress(self, project: str) -> list[SetProgress]:
        """How far these sets are, in the order of their names."""
        ...


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A version in the model registry. `created_at` is ISO 8601 in UTC, `aliases` are the names that point at it."""

    version: str
    run_id: str
    created_at: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


ARTEFACT_TAG = "tuneloop.artifact_hash"
"""Tag that `Registry.register` gives a version: hash over the names and contents of the artefact's files."""


class Registry(Protocol):
    """Tracking and model registry (MLflow).

    Others can write to it too. Which version is the champion is therefore asked of
    `tuneloop.registry.champion`, which holds it against the sealed audit trail, never of an alias alone.
    """

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


SuiteName = Literal["rows", "pairs", "relations", "feedback", "traffic"]


@dataclass(frozen=True, slots=True)
class Suite:
    """The expectations of one kind of rows, as a recipe's `checks` set them.

    `rows` and `pairs` are training rows by themselves (`tuneloop.data.columns`), `relations` rows against each other
    (`tuneloop.data.relations`), `feedback` and `traffic` what comes in (`tuneloop.workflows.event_columns`).
    `max_tokens` None: lengths are not checked.
    """

    name: SuiteName
    checks: Checks
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of one expectation, met or not. `count` may exceed the ids where it is about the table as a whole."""

    reason: str
    expectation: str
    column: str | None
    severity: Severity
    success: bool
    count: int
    row_ids: tuple[str, ...]


class Validator(Protocol):
    """Holds frames of what was found in rows against suites of expectations (Great Expectations)."""

    def validate(self, frame: pd.DataFrame, suite: Suite) -> list[Finding]:
        """Return what came of every expectation of the suite, in its order; the frame has a column `id`."""
        ...

    def write_pages(self, folder: Path, validated: Sequence[tuple[Suite, Sequence[Check], int]]) -> Path:
        """Write web pages of suites, what came of each and how many rows it saw; return the index page."""
        ...
