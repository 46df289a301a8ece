"""What is done with a chunk of rows before rows are compared: clean, treat personal data, look at each row by itself.

One function of one chunk, without any state, so that it gives the same on this machine, in other processes and on a
cluster.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tuneloop.data.anonymising import Treated, treat
from tuneloop.data.answers import answer_labels
from tuneloop.data.cleaning import Cleaned, clean
from tuneloop.data.columns import is_shown_as_bad, row_columns
from tuneloop.data.near_duplicates import normalise
from tuneloop.data.relations import question
from tuneloop.data.row_keys import Facts
from tuneloop.data.row_verdicts import Verdicts, apply_verdicts
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
    verdicts: Verdicts = field(default_factory=dict)

    def __call__(self, chunk: Sequence[Record]) -> Prepared:
        cleaned, treated = self._tidy(chunk)
        records, kinds, withdrawn = treated.records, treated.kinds, [""] * len(chunk)
        if self.verdicts:
            records, kinds, withdrawn = self._as_people_want(treated)
        frame = row_columns(
            records,
            self.data,
            pii_kinds=kinds,
            counter=self.counter,
            max_tokens=self.max_tokens,
            as_of=self.as_of,
            withdrawn_by=withdrawn,
        )
        return Prepared(
            frame=frame,
            texts=[record_text(r) for r in records],
            facts=facts_of(records, self.data, self.feedback),
            cleaned=cleaned.changed,
            replaced=treated.replaced,
        )

    def _tidy(self, records: Sequence[Record]) -> tuple[Cleaned, Treated]:
        cleaned = clean(records, self.data.cleaning, self.data.answer)
        return cleaned, treat(cleaned.records, self.data.checks, self.key)

    def _as_people_want(self, treated: Treated) -> tuple[list[Record], list[str], list[str]]:
        """Rows, kinds of personal data and who wants them out. A mended row is tidied like any row; only now can it be
        told which rows are meant, since people saw them tidied."""
        found = [apply_verdicts(record, self.verdicts) for record in treated.records]
        records, kinds = list(treated.records), list(treated.kinds)
        mended = [i for i, (record, _) in enumerate(found) if record is not treated.records[i]]
        if mended:
            _, again = self._tidy([found[i][0] for i in mended])
            for i, record, kind in zip(mended, again.records, again.kinds, strict=True):
                records[i], kinds[i] = record, kind
        return records, kinds, [withdrawn for _, withdrawn in found]


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
        labels=[None if is_shown_as_bad(r) else answer_labels(r.completion, data.answer) for r in records],
        siblings=[_judged_together(r) if r.source in feedback else None for r in records],
    )


def _judged_together(record: Record) -> str | None:
    """The reviewed record that a pair or a thumb is from: a ranking of three answers is several pairs."""
    if record.rejected is None and not isinstance(record.extra.get("label"), bool):
        return None
    return f"{record.extra.get('review_set')}/{record.extra.get('item_id')}"


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
