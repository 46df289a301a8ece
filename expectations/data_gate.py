"""From sources to a data version: read, check, set aside, split, keep. Every row that comes in is accounted for."""

from __future__ import annotations

import json
import logging
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

import tuneloop
from expectations.sft_suite import relation_suite, row_suite
from expectations.validating import Finding, validate
from tuneloop.data.columns import RELATION_COLUMNS, relation_columns, row_columns
from tuneloop.data.reading import read_sources
from tuneloop.data.relations import has_held_out, relate
from tuneloop.data.snapshots import Row, latest_version, version_of, write_quarantine, write_snapshot
from tuneloop.data.splitting import stable_sample
from tuneloop.errors import DataError
from tuneloop.recipes import Data, Recipe, Source
from tuneloop.records import Record, Rejection, Split
from tuneloop.results import Cost, DataReport

log = logging.getLogger(__name__)


@dataclass
class _Rows:
    """The rows on their way: what is still in, what has left and why, and what the suites had to say."""

    sound: list[Record]
    rejected: list[Rejection]
    per_source: Counter[str]
    findings: list[Finding] = field(default_factory=list)
    tokens: dict[str, int] = field(default_factory=dict)


def prepare_data(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    count_tokens: Callable[[Record], int],
    feedback: Sequence[Source] = (),
) -> DataReport:
    """Make a data version from a recipe's sources and report it; the same rows again give the same version.

    `feedback` are the files that reviews became: their rows are for training only and are never sampled away.
    rows_in = train + validation + test + quarantined + unused, always.

    Raises:
        DataError: a source cannot be read, a critical expectation fails, too much was quarantined, or a split that is
            needed is empty. The message says what to do; where rows were set aside, also where to look at them.
    """
    started = time.monotonic()
    rows = _read((*recipe.data.sources, *feedback), root, workspace)
    _check_rows(rows, recipe, count_tokens)
    splits, unused = _split(rows, recipe.data, {s.name for s in feedback})
    _block_where_needed(rows, splits, recipe, workspace)
    folder = _keep(rows, splits, unused, recipe, feedback, workspace)
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cost = Cost(seconds=time.monotonic() - started, peak_rss_mib=peak_kib / 1024)
    return _report(rows, splits, unused, folder, cost)


def _read(sources: Sequence[Source], root: Path, workspace: Path) -> _Rows:
    rows = _Rows([], [], Counter({s.name: 0 for s in sources}))
    for row in read_sources(sources, root=root, workspace=workspace):
        rows.per_source[row.source] += 1
        if isinstance(row, Record):
            rows.sound.append(row)
        else:
            rows.rejected.append(row)
    log.info("read %d rows from %d sources, %d unreadable", rows.per_source.total(), len(sources), len(rows.rejected))
    return rows


def _check_rows(rows: _Rows, recipe: Recipe, count_tokens: Callable[[Record], int]) -> None:
    if not rows.sound:
        return
    frame = row_columns(rows.sound, recipe.data, count_tokens=count_tokens)
    rows.tokens = dict(zip(frame["id"], map(int, frame["total_tokens"]), strict=True))
    _set_aside(rows, frame, validate(frame, row_suite(recipe.data, max_tokens=recipe.model.max_tokens)))


def _split(rows: _Rows, data: Data, feedback: set[str]) -> tuple[dict[Split, list[Row]], list[Row]]:
    """The rows of every split, and the sound ones that the recipe's limits leave out."""
    if not rows.sound:
        return {}, []
    relations = relate(rows.sound, data, feedback)
    frame = relation_columns(rows.sound, relations)
    _set_aside(rows, frame, validate(frame, relation_suite()))
    place = dict(zip(frame["id"], zip(frame["split"], frame["cluster"], strict=True), strict=True))
    splits: dict[Split, list[Row]] = {"train": [], "validation": [], "test": []}
    for record in rows.sound:
        split, cluster = place[record.id]
        splits[split].append((record, cluster))
    return _limited(splits, data, feedback)


def _limited(
    splits: dict[Split, list[Row]], data: Data, feedback: set[str]
) -> tuple[dict[Split, list[Row]], list[Row]]:
    unused: list[Row] = []
    limits: dict[Split, int | None] = {"train": data.max_train_rows, "validation": data.max_validation_rows}
    for split, limit in limits.items():
        if limit is not None:
            free = [r.id for r, _ in splits[split] if r.source not in feedback]
            reviewed = {r.id for r, _ in splits[split]} - set(free)
            chosen = reviewed | set(stable_sample(free, limit - len(reviewed), data.split_salt))
            unused += [row for row in splits[split] if row[0].id not in chosen]
            splits[split] = [row for row in splits[split] if row[0].id in chosen]
    return splits, unused


def _set_aside(rows: _Rows, frame: pd.DataFrame, findings: Sequence[Finding]) -> None:
    """Move the rows that warnings name to the rejected ones.

    Raises:
        DataError: a critical expectation was not met.
    """
    rows.findings += findings
    critical = [f for f in findings if f.severity == "critical"]
    if critical:
        raise DataError(
            f"{critical[0].expectation} found {critical[0].count} rows ({critical[0].reason}): nothing may be trained "
            "on this data. Fix the source, or raise an issue if the rows look right to you"
        )
    first: dict[str, Finding] = {}
    for finding in (f for f in findings if f.severity == "warning"):
        for row_id in finding.row_ids:
            first.setdefault(row_id, finding)
    by_id = frame.set_index("id")
    for record in (r for r in rows.sound if r.id in first):
        finding = first[record.id]
        rows.rejected.append(_rejection(record, finding, by_id.loc[record.id, str(finding.column)]))
    rows.sound = [r for r in rows.sound if r.id not in first]
    log.info("checked %d rows, set %d aside: %s", len(frame), len(first), _counted(f.reason for f in first.values()))


def _rejection(record: Record, finding: Finding, value: object) -> Rejection:
    related = str(value) if finding.reason in RELATION_COLUMNS else None
    return Rejection(
        record.source,
        record.line,
        record.id,
        finding.reason,
        f"{finding.column}: {value}",
        related=related,
        raw=json.dumps(record.to_json(), ensure_ascii=False),
    )


def _block_where_needed(rows: _Rows, splits: Mapping[Split, Sequence[Row]], recipe: Recipe, workspace: Path) -> None:
    problem = _problem(rows, splits, recipe.data)
    if problem:
        path = workspace / "data" / f"blocked-{recipe.name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_quarantine(path, rows.rejected)
        raise DataError(f"{problem} Reasons: {_counted(r.reason for r in rows.rejected)}. The rows are in {path}")


def _problem(rows: _Rows, splits: Mapping[Split, Sequence[Row]], data: Data) -> str | None:
    total, gone = rows.per_source.total(), len(rows.rejected)
    if not total:
        return "The sources have no rows at all; check the paths in the recipe."
    if gone > data.checks.max_quarantined * total:
        return (
            f"{gone} of {total} rows were set aside, more than data.checks.max_quarantined "
            f"({data.checks.max_quarantined:.0%}) allows. Fix the source, map its columns, or allow what is fine."
        )
    if not splits.get("train"):
        return "No row is left to train on; add data or raise data.train_share."
    if not splits.get("test"):
        more = "check the held-out source" if has_held_out(data) else "add data, or a source with held_out: true"
        return f"No row is left to test on; {more}."
    return None


def _keep(
    rows: _Rows,
    splits: Mapping[Split, Sequence[Row]],
    unused: Sequence[Row],
    recipe: Recipe,
    feedback: Sequence[Source],
    workspace: Path,
) -> Path:
    config = {
        "data": recipe.data.model_dump(mode="json"),
        "max_tokens": recipe.model.max_tokens,
        "feedback": [s.name for s in feedback],
    }
    previous = latest_version(workspace, recipe.name)
    parents = [previous] if previous and previous != version_of(splits, config) else []
    manifest = {
        "recipe": recipe.name,
        "tuneloop": tuneloop.__version__,
        "parents": parents,
        "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows_in": rows.per_source.total(),
        "rows": {s: len(r) for s, r in splits.items()},
        "rows_quarantined": len(rows.rejected),
        "rows_unused": len(unused),
        "reasons": dict(Counter(r.reason for r in rows.rejected)),
        "sources": dict(rows.per_source),
        "findings": [f.summary() for f in rows.findings],
    }
    folder = write_snapshot(workspace, splits=splits, quarantine=rows.rejected, config=config, manifest=manifest)
    log.info("data version %s: %s rows, %d unused", folder.name, manifest["rows"], len(unused))
    return folder


def _report(
    rows: _Rows, splits: Mapping[Split, Sequence[Row]], unused: Sequence[Row], folder: Path, cost: Cost
) -> DataReport:
    return DataReport(
        version=folder.name,
        folder=str(folder),
        rows_in=rows.per_source.total(),
        rows_quarantined=len(rows.rejected),
        rows_train=len(splits["train"]),
        rows_validation=len(splits["validation"]),
        rows_test=len(splits["test"]),
        rows_unused=len(unused),
        reasons=dict(Counter(r.reason for r in rows.rejected).most_common()),
        sources=dict(rows.per_source),
        cost=cost,
        lengths={split: [rows.tokens[r.id] for r, _ in members] for split, members in splits.items()},
    )


def _counted(reasons: Iterable[str]) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in Counter(reasons).most_common()) or "none"
