"""What became of a data version: the rows, reasons, slices and settings that differ between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tuneloop.lineage.run_differences import flat
from tuneloop.records import Record, content_hash
from tuneloop.results import DataManifest
from tuneloop.row_files import splits_in, stream_rows

SHOWN_IDS = 10
HASH_DIGITS = 32
"""128 bits: no two of a million contents will ever share them, and a million of them fit in memory."""

Contents = Mapping[str, Mapping[str, str]]
"""Split -> row id -> hash of the row's content (`content_of`)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class SplitDiff(_Part):
    """How many rows of a split are new, gone, there with other content, and the same; a few ids of the first three."""

    added: int
    removed: int
    changed: int
    same: int
    added_ids: list[str]
    removed_ids: list[str]
    changed_ids: list[str]


class Move(_Part):
    """A row that is in another split than before."""

    id: str
    old: str
    new: str


class Change(_Part):
    """A value then and now; None where there was or is none."""

    old: Any
    new: Any


class DataDiff(_Part):
    """What is different in the version `new`, seen from `old`. `moved` has to be empty: a row that goes from test to
    training makes every later score worthless."""

    old: str
    new: str
    splits: dict[str, SplitDiff]
    moved: list[Move]
    counts: dict[str, Change]
    reasons: dict[str, Change]
    slices: dict[str, Change]
    sources: dict[str, Change]
    config: dict[str, Change]

    @property
    def is_empty(self) -> bool:
        """Nothing differs that the model could learn from, nor any setting."""
        rows = any(s.added or s.removed or s.changed for s in self.splits.values())
        return not (rows or self.moved or self.counts or self.reasons or self.slices or self.sources or self.config)


def diff(old: DataManifest, new: DataManifest, old_rows: Contents, new_rows: Contents) -> DataDiff:
    """Compare two versions. Rows are the same when their ids are; a row's content is in its hash."""
    before = {row_id: split for split, rows in old_rows.items() for row_id in rows}
    after = {row_id: split for split, rows in new_rows.items() for row_id in rows}
    moves = [Move(id=i, old=before[i], new=s) for i, s in sorted(after.items()) if before.get(i, s) != s]
    moved = {m.id for m in moves}
    splits = dict.fromkeys([*old_rows, *new_rows])
    return DataDiff(
        old=old.version,
        new=new.version,
        splits={s: _split_diff(old_rows.get(s, {}), new_rows.get(s, {}), moved) for s in splits},
        moved=moves,
        **manifest_changes(old, new),
    )


def manifest_changes(old: DataManifest, new: DataManifest) -> dict[str, dict[str, Change]]:
    """What two manifests alone can tell: counts, reasons, slices, sources and configuration that differ."""
    return {
        "counts": _changes(_counts(old), _counts(new)),
        "reasons": _changes(old.reasons, new.reasons),
        "slices": _changes(_slices(old), _slices(new)),
        "sources": _changes(_sources(old), _sources(new)),
        "config": _changes(flat(old.config), flat(new.config)),
    }


def split_changes(found: DataDiff) -> list[dict[str, Any]]:
    """One row per split: how many rows were added, removed, changed, and stayed the same."""
    return [
        {"split": name, "added": s.added, "removed": s.removed, "changed": s.changed, "same": s.same}
        for name, s in found.splits.items()
    ]


def change_rows(changes: Mapping[str, Change]) -> list[dict[str, Any]]:
    """One row per thing that differs; what is counted comes first, the largest difference at the top."""
    rows = [{"what": n, "then": c.old, "now": c.new, "difference": _difference(c)} for n, c in changes.items()]
    return sorted(rows, key=lambda row: -abs(row["difference"] or 0))


def content_of(record: Record) -> str:
    """A hash of what is learned from a row. Where it stands in its file is left out: a line inserted above it changes
    no row."""
    return content_hash([[(m.role, m.content) for m in record.messages], record.rejected])[:HASH_DIGITS]


def contents_of_version(folder: Path) -> dict[str, dict[str, str]]:
    """Return what the rows of each split of a data version hold, as hashes."""
    return {split: contents(stream_rows(folder / f"{split}.parquet")) for split in splits_in(folder)}


def contents(rows: Iterable[Record]) -> dict[str, str]:
    """Row id -> content, of the rows of one split."""
    return {row.id: content_of(row) for row in rows}


def _split_diff(old: Mapping[str, str], new: Mapping[str, str], moved: set[str]) -> SplitDiff:
    added = sorted(new.keys() - old.keys() - moved)
    removed = sorted(old.keys() - new.keys() - moved)
    both = old.keys() & new.keys()
    changed = sorted(i for i in both if old[i] != new[i])
    return SplitDiff(
        added=len(added),
        removed=len(removed),
        changed=len(changed),
        same=len(both) - len(changed),
        added_ids=added[:SHOWN_IDS],
        removed_ids=removed[:SHOWN_IDS],
        changed_ids=changed[:SHOWN_IDS],
    )


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Change]:
    names = dict.fromkeys([*old, *new])
    return {n: Change(old=old.get(n), new=new.get(n)) for n in names if old.get(n) != new.get(n)}


def _difference(change: Change) -> int | None:
    """None where one of the two is no count."""
    old, new = (0 if v is None else v for v in (change.old, change.new))
    return new - old if type(old) is int and type(new) is int else None


def _counts(manifest: DataManifest) -> dict[str, int]:
    return {
        "rows in": manifest.rows_in,
        **manifest.rows,
        "set aside": manifest.rows_quarantined,
        "not used": manifest.rows_unused,
        "synthetic": manifest.rows_synthetic,
        "from reviews": manifest.review_rows,
    }


def _slices(manifest: DataManifest) -> dict[str, int]:
    return {f"{s.by} = {s.value}": s.rows for s in manifest.slices}


def _sources(manifest: DataManifest) -> dict[str, str]:
    return {o.name: f"{o.rows:,} rows, {o.sha256[:12] or 'no file'}" for o in manifest.sources}
