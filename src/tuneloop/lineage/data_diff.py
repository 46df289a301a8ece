"""Differences between two data versions, and between two runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from tuneloop.records import Record, content_hash
from tuneloop.registry.environment import HARMLESS
from tuneloop.results import DataManifest, DataReport
from tuneloop.row_files import splits_in, stream_rows

Part = Literal["settings", "data", "environment", "machine"]
SCORING_ONLY = ("description", "evaluation.", "review.", "drift.", "search.")
"""Settings that no training reads."""


class Difference(BaseModel):
    """A value then and now; None where there was or is none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    part: Part
    name: str
    then: Any
    now: Any
    may_change_model: bool
    """Whether a training could come to other weights because of it."""


def setting_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[Difference]:
    """Two whole recipes, as nested settings; a value that only one of them names is shown too."""
    return list(_differences("settings", flat(then), flat(now)))


def environment_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """Two environments as of `environment_of`."""
    return list(_differences("environment", then, now))


def chosen_differences(then: Mapping[str, str], now: Mapping[str, str]) -> list[Difference]:
    """What each `auto` of two trainings became, as of `TrainingReport.chosen`."""
    return list(_differences("machine", then, now))


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Nested settings as `checks.languages` -> value; lists of things with a name go by their names."""
    if isinstance(value, list | tuple) and value and all(isinstance(v, Mapping) and "name" in v for v in value):
        value = {v["name"]: v for v in value}
    if not isinstance(value, Mapping):
        return {name: list(value) if isinstance(value, tuple) else value}
    return {k: v for key, inner in value.items() for k, v in flat(inner, f"{name}.{key}" if name else str(key)).items()}


def _data(report: DataReport) -> dict[str, Any]:
    counts = {
        "version": report.version,
        "rows in": report.rows_in,
        "train": report.rows_train,
        "validation": report.rows_validation,
        "test": report.rows_test,
        "private": report.rows_private,
        "set aside": report.rows_quarantined,
        "not used": report.rows_unused,
        "synthetic": report.rows_synthetic,
    }
    return counts | {f"source {name}": rows for name, rows in report.sources.items()}


def _differences(part: Part, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*then, *now]):
        if then.get(name) != now.get(name):
            matters = _may_change_model(part, name)
            yield Difference(part=part, name=name, then=then.get(name), now=now.get(name), may_change_model=matters)


def _may_change_model(part: Part, name: str) -> bool:
    if part == "settings":
        return not name.startswith(SCORING_ONLY)
    return not (part == "environment" and name in HARMLESS)


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
