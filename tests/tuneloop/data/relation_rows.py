"""Rows, sources and recipes for the tests of relations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuneloop.data.relations import relate
from tuneloop.data.row_keys import Facts
from tuneloop.data.splitting import own_split
from tuneloop.recipes import Data, Source
from tuneloop.records import Split

POOL = Source(name="pool", path="x")
EXAM = Source(name="exam", path="y", held_out=True)
VAULT = Source(name="vault", path="z", private=True)
ALL_TRAIN = Data(sources=(POOL,), train_share=1.0, validation_share=0.0)
ALL_VALIDATION = Data(sources=(POOL,), train_share=0.0, validation_share=1.0)
ALL_TEST = Data(sources=(POOL,), train_share=0.0, validation_share=0.0)
WITH_EXAM = Data(sources=(POOL, EXAM), validation_share=0.0)
MIXED = Data(sources=(POOL,), train_share=0.4, validation_share=0.3)


@dataclass(frozen=True)
class Row:
    id: str
    prompt: str
    group: str | None = None
    held_out: bool = False
    feedback: bool = False
    length: int = 1
    label: str | None = None
    private: bool = False
    sibling: str | None = None


def facts_of(rows: Sequence[Row]) -> Facts:
    return Facts(
        ids=[r.id for r in rows],
        prompts=[r.prompt for r in rows],
        groups=[r.group for r in rows],
        held_out=[r.held_out or r.private for r in rows],
        private=[r.private for r in rows],
        feedback=[r.feedback for r in rows],
        answer_lengths=[r.length for r in rows],
        labels=[r.label for r in rows],
        siblings=[r.sibling for r in rows],
    )


def fate(rows: Sequence[Row], data: Data) -> dict[str, tuple[str, str]]:
    """Of the rows that go: why, and for which row."""
    found = relate(facts_of(rows), data)
    return {rows[i].id: (duplicate.kind, rows[duplicate.duplicate_of].id) for i, duplicate in found.duplicates.items()}


def a_prompt_for(split: Split, start: str = "late kettle") -> str:
    """A prompt that by itself belongs to this split of `MIXED`."""
    shares = {"train_share": MIXED.train_share, "validation_share": MIXED.validation_share, "salt": MIXED.split_salt}
    return next(p for i in range(99) if own_split(p := f"{start} order{i}", **shares) == split)
