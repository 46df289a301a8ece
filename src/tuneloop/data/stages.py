"""What is done with a chunk of rows before rows are compared: clean, treat personal data, look at each row by itself.

One function of one chunk, without any state, so that it gives the same on this machine, in other processes and on a
cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tuneloop.data.anonymising import treat
from tuneloop.data.answers import answer_labels
from tuneloop.data.cleaning import clean
from tuneloop.data.columns import row_columns
from tuneloop.data.duplicates import normalise
from tuneloop.data.facts import Facts
from tuneloop.data.relations import question
from tuneloop.data.staging import record_text
from tuneloop.ports import A, B, TokenCounter
from tuneloop.recipes import Data
from tuneloop.records import Record, Rejection

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 2000
"""Phrases that look like names are judged by all texts of a chunk, so its size is part of the result."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chunk after its stages: what is said of the rows, and the rows as JSON."""

    frame: pd.DataFrame
    texts: list[str]
    facts: Facts
    cleaned: Counter[str]
    replaced: Counter[str]


@dataclass(frozen=True, slots=True)
class Preparation:
    """The stages for one recipe; call it with a chunk. Pickled to wherever the work is done."""

    data: Data
    feedback: frozenset[str]
    max_tokens: int
    counter: TokenCounter | None
    key: bytes
    as_of: datetime

    def __call__(self, chunk: Sequence[Record]) -> Prepared:
        cleaned = clean(chunk, self.data.cleaning, self.data.answer)
        treated = treat(cleaned.records, self.data.checks, self.key)
        frame = row_columns(
            treated.records,
            self.data,
            pii_kinds=treated.kinds,
            counter=self.counter,
            max_tokens=self.max_tokens,
            as_of=self.as_of,
        )
        return Prepared(
            frame=frame,
            texts=[record_text(r) for r in treated.records],
            facts=facts_of(treated.records, self.data, self.feedback),
            cleaned=cleaned.changed,
            replaced=treated.replaced,
        )


def facts_of(records: Sequence[Record], data: Data, feedback: frozenset[str]) -> Facts:
    private = {s.name for s in data.sources if s.private}
    return Facts(
        ids=[r.id for r in records],
        prompts=[normalise(question(r)) for r in records],
        groups=[r.group for r in records],
        held_out=[r.held_out for r in records],
        private=[r.source in private for r in records],
        feedback=[r.source in feedback for r in records],
        answer_lengths=[len(r.completion) for r in records],
        labels=[answer_labels(r.completion, data.answer) for r in records],
    )


def chunked(
    rows: Iterable[Record | Rejection], reject: Callable[[Rejection], None], *, size: int = CHUNK_ROWS
) -> Iterator[list[Record]]:
    """Records in chunks, in their order; what is no record is handed to `reject` as it comes."""
    chunk: list[Record] = []
    for row in rows:
        if isinstance(row, Rejection):
            reject(row)
            continue
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class InThisProcess:
    """The executor that needs nothing: one chunk after the other, here."""

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        return map(function, chunks)
