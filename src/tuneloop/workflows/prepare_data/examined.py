"""What is known of a recipe's rows while its data is prepared: where each row goes, and why.

Rows live on disk (see `tuneloop.data.staging`); in memory there is a slim frame of what was found in each row, what the
comparison needs, and one small number per row that says where the row goes.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.balance import repeats_of
from tuneloop.data.row_keys import Facts
from tuneloop.data.staging import Staging, record_text
from tuneloop.ports import Finding, Suite
from tuneloop.recipes import Recipe, Source
from tuneloop.records import Record, Rejection, Split
from tuneloop.results import Step
from tuneloop.row_files import PRIVATE as PRIVATE_SPLIT
from tuneloop.row_files import SPLITS as USUAL_SPLITS
from tuneloop.row_files import Row, record_of

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = (*USUAL_SPLITS, PRIVATE_SPLIT)
TRAIN, VALIDATION, TEST, PRIVATE, QUARANTINED, UNUSED = range(6)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row was quarantined."""

    reason: str
    detail: str
    related: str | None = None


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """A suite that was held against so many rows, and what came of each of its expectations, met or not."""

    suite: Suite
    rows: int
    findings: Sequence[Finding]


@dataclass
class Examined:
    """What the steps found. Rows are named by their index in the order they came; `places` says where each goes."""

    recipe: Recipe
    sources: Sequence[Source]
    staging: Staging
    max_tokens: int | None
    """None: lengths are not checked, for want of a tokenizer."""
    frame: pd.DataFrame | None = None
    """What was found in each row by itself; None where no row could be read."""
    facts: Facts = field(default_factory=Facts)
    places: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    clusters: list[str] = field(default_factory=list)
    quarantined: dict[int, Reason] = field(default_factory=dict)
    runs: list[SuiteRun] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rows_in: Counter[str] = field(default_factory=Counter)
    """Rows by source, unreadable ones included."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """Rows by reason."""
    private_ids: set[str] = field(default_factory=set)
    """All rows of private sources, whatever became of them."""
    near_copies: list[tuple[str, list[str]]] = field(default_factory=list)
    """Ids of the rows that stayed, each with those that left because of it."""
    copies: dict[str, int] = field(default_factory=dict)
    """Id of a training row -> how many times more than once it is trained on."""
    synthetic: list[Record] = field(default_factory=list)
    facts_of_synthetic: dict[str, float] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return self.facts.ids

    @property
    def splits(self) -> tuple[Split, ...]:
        """The splits that this recipe's data has, with rows or without."""
        has_private = any(s.private for s in self.recipe.data.sources)
        return SPLITS if has_private else SPLITS[:PRIVATE]

    @property
    def feedback(self) -> list[str]:
        """Names of the sources that reviews and edits became: they follow those of the recipe."""
        return [s.name for s in self.sources[len(self.recipe.data.sources) :]]

    @property
    def reasons(self) -> Counter[str]:
        return self.unreadable + Counter(d.reason for d in self.quarantined.values())

    @property
    def blocking(self) -> list[Finding]:
        return [f for run in self.runs for f in run.findings if f.severity == "block" and not f.success]

    @property
    def rows_unused(self) -> int:
        return int((self.places == UNUSED).sum())

    @property
    def rows_synthetic(self) -> int:
        return len(self.synthetic) + sum(self.copies.values())

    def count(self, split: Split) -> int:
        """Rows of a split, those made here included."""
        there = int((self.places == SPLITS.index(split)).sum())
        return there + self.rows_synthetic if split == "train" else there

    def quarantine(self, step: str, seen: int, reasons: Mapping[int, Reason]) -> None:
        """Let the rows go that have a reason: what every check returns. The other rows that it has seen are kept."""
        self.quarantined.update(reasons)
        self.places[list(reasons)] = QUARANTINED
        removed = Counter(why.reason for why in reasons.values())
        left = self.staging.rows - len(self.quarantined)
        self.steps.append(Step(name=step, rows_out=left, removed=dict(removed.most_common())))
        log.info("%s: %d of %d rows set aside", step, len(reasons), seen)

    def training_rows(self) -> Iterator[Record]:
        for place, text in zip(self.places, self.staging.texts(), strict=True):
            if place == TRAIN:
                yield record_of(text)

    def kept(self) -> Iterator[Row]:
        """All rows of the version, in the order of the sources; synthetic rows last."""
        clusters: dict[str, str] = {}
        rows = zip(self.ids, self.places, self.clusters, self.staging.texts(), strict=True)
        for row_id, place, cluster, text in rows:
            if place > PRIVATE:
                continue
            yield SPLITS[place], row_id, cluster, text
            if self.synthetic and place == TRAIN:
                clusters[row_id] = cluster
            if row_id in self.copies:
                for copy in repeats_of(record_of(text), self.copies[row_id]):
                    yield "train", copy.id, cluster, record_text(copy)
        for row in self.synthetic:
            origin = str(row.extra.get("synthetic", {}).get("of", ""))
            yield "train", row.id, clusters.get(origin, row.id), record_text(row)

    def rejections(self) -> Iterator[Rejection]:
        """Every row that was quarantined, with its text: for the owner's eyes."""
        yield from self.staging.unreadable()
        for index, text in enumerate(self.staging.texts()):
            if why := self.quarantined.get(index):
                record = record_of(text)
                yield Rejection(
                    record.source, record.line, record.id, why.reason, why.detail, related=why.related, raw=text
                )
