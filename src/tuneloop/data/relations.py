"""Relate rows to each other: splits, clusters and duplicates, and the frame in which they are checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuneloop.data.duplicates import Duplicate, find_duplicates
from tuneloop.data.meanings import close_pairs, embed_short, nearest
from tuneloop.data.near_duplicates import find_clusters, join, same_values
from tuneloop.data.row_keys import Facts
from tuneloop.data.splitting import own_split
from tuneloop.ports import Embedder
from tuneloop.recipes import Data
from tuneloop.records import Record, Split

if TYPE_CHECKING:
    import pandas as pd


Edges = tuple[NDArray[np.int64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Relations:
    """`clusters` and `splits` have an entry for every row, in their order; `duplicates` only the rows that leave."""

    duplicates: dict[int, Duplicate]
    clusters: list[str]
    splits: list[Split]


def relate(facts: Facts, data: Data, *, embedder: Embedder | None = None) -> Relations:
    """Compare all rows with each other. Nothing depends on the order of rows, but ids have to be unique.

    A row's split is decided by its own key, whatever other rows there are; where that puts near-copies or group mates
    into different splits, rows leave (see `tuneloop.data.duplicates`). A recipe with a held-out source tests on that
    alone; its pool has no test part. Reviewed rows are training rows. With an `embedder` and a recipe that asks for it
    (`checks.same_meaning_cosine`), rows that say the same as a test row leave training and validation, too. A private
    row is to test rows what a test row is to all others: they go, it stays.

    A cluster's name is shared by the rows that stay and are near-copies, mates of a group or (in the test splits) say
    the same; a row that goes has the name of the one it goes for.
    """
    splits = _own_splits(facts, data)
    alike = find_clusters(facts.prompts, threshold=data.checks.near_duplicate_jaccard)
    duplicates = find_duplicates(facts, splits, alike)
    meaning: Edges = (np.zeros(0, np.int64), np.zeros(0, np.int64))
    if embedder and data.checks.same_meaning_cosine is not None:
        said, meaning = _same_meaning(facts, splits, duplicates, embedder, data.checks.same_meaning_cosine)
        duplicates |= said
    return Relations(duplicates, _clusters(facts, alike, duplicates, meaning), splits)


def question(record: Record) -> str:
    """What is asked: the turns before the answer without the system's, which all rows may share."""
    return "\n".join(m.content for m in record.messages[:-1] if m.role != "system")


def has_held_out(data: Data) -> bool:
    """Whether a source is the test set. A private one is not: it may not be looked at while a model is chosen."""
    return any(s.held_out for s in data.sources)


def _own_splits(facts: Facts, data: Data) -> list[Split]:
    train = 1.0 - data.validation_share if has_held_out(data) else data.train_share

    def own(row: int) -> Split:
        if facts.private[row]:
            return "private"
        if facts.held_out[row]:
            return "test"
        if facts.feedback[row]:
            return "train"
        key = f"group {group}" if (group := facts.groups[row]) else facts.prompts[row]
        return own_split(key, train_share=train, validation_share=data.validation_share, salt=data.split_salt)

    return [own(row) for row in range(len(facts.ids))]


def _same_meaning(
    facts: Facts, splits: Sequence[Split], duplicates: dict[int, Duplicate], embedder: Embedder, cosine: float
) -> tuple[dict[int, Duplicate], Edges]:
    """Rows that say what a row of a stricter test split says, and the edges between rows of one test split that do."""
    kept = [i for i in range(len(splits)) if i not in duplicates]
    rows, vectors = embed_short(facts.prompts, kept, embedder)
    found: dict[int, Duplicate] = {}
    edges: list[Edges] = []
    for split in ("private", "test"):
        tested = np.array([splits[i] == split for i in rows], dtype=bool)
        tests, others = rows[tested], rows[~tested]
        neighbours = nearest(vectors[~tested], vectors[tested], cosine)
        leaving = zip(others.tolist(), neighbours.tolist(), strict=True)
        found |= {i: Duplicate("same_meaning", int(tests[n])) for i, n in leaving if n >= 0}
        left, right = close_pairs(vectors[tested], cosine)
        edges.append((tests[left], tests[right]))
        stays = ~tested & ~np.isin(rows, list(found))
        rows, vectors = rows[stays], vectors[stays]
    lefts, rights = zip(*edges, strict=True)
    return found, (np.concatenate(lefts), np.concatenate(rights))


def _clusters(facts: Facts, alike: Sequence[int], duplicates: dict[int, Duplicate], meaning: Edges) -> list[str]:
    """Names that do not depend on the order of rows: of all keys of the cluster's rows the smallest, hashed."""
    kept = [i for i in range(len(alike)) if i not in duplicates]
    edges = (same_values(alike, kept), same_values([g or None for g in facts.groups], kept), meaning)
    left, right = (np.concatenate(side) for side in zip(*edges, strict=True))
    numbers = join(np.arange(len(alike)), left, right).tolist()
    # A prompt has no control characters, so it is never taken for a group.
    keys = [f"\x1f{g}" if g else p for g, p in zip(facts.groups, facts.prompts, strict=True)]
    smallest: dict[int, str] = {}
    for i in kept:
        smallest[numbers[i]] = min(keys[i], smallest.get(numbers[i], keys[i]))
    ends = [_end(i, duplicates) for i in range(len(alike))]
    return [_name(keys[i] if i in duplicates else smallest[numbers[i]]) for i in ends]


def _end(row: int, duplicates: dict[int, Duplicate]) -> int:
    """The row that stays for this one (itself, if it stays), or the first contradiction on the way."""
    while (duplicate := duplicates.get(row)) and duplicate.kind != "contradiction":
        row = duplicate.duplicate_of
    return row


def _name(key: str) -> str:
    return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()[:16]


RELATION_COLUMNS = {
    "contradiction": "contradiction_of",
    "leakage": "leaks_from",
    "same_meaning": "same_meaning_as",
    "superseded": "superseded_by",
    "exact_copy": "exact_copy_of",
    "near_copy": "near_copy_of",
}
"""Kind of a duplicate -> the column that names the other row."""


def relation_columns(ids: Sequence[str], relations: Relations) -> pd.DataFrame:
    """Return a row for every id: id, split (categorical), cluster, and per kind of duplicate the other row's id or "".

    `splits_in_cluster` is the number of splits over which the cluster's remaining rows are spread: 1, or rows leak.
    """
    import pandas as pd

    frame = pd.DataFrame(
        {"id": list(ids), "split": pd.Categorical(relations.splits), "cluster": relations.clusters},
    )
    for kind, column in RELATION_COLUMNS.items():
        others = np.full(len(ids), "", dtype=object)
        for row, duplicate in relations.duplicates.items():
            if duplicate.kind == kind:
                others[row] = ids[duplicate.duplicate_of]
        frame[column] = pd.Series(others, dtype="str")
    frame["splits_in_cluster"] = _splits_in_cluster(frame, relations)
    return frame


def _splits_in_cluster(frame: pd.DataFrame, relations: Relations) -> pd.Series[Any]:
    stays = np.ones(len(frame), dtype=bool)
    stays[list(relations.duplicates)] = False
    counts = frame[stays].groupby("cluster")["split"].nunique()
    return frame["cluster"].map(counts).fillna(1).astype("int8")
