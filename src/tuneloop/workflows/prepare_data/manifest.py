"""From an examination to the manifest of a data version: counts, checks with masked examples, slices, lengths."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import tuneloop
from tuneloop.data.fingerprints import fingerprint
from tuneloop.data.masking import shown
from tuneloop.data.relations import question
from tuneloop.data.slices import SliceAudit
from tuneloop.data.splitting import position
from tuneloop.ports import Finding, TokenCounter
from tuneloop.records import Record
from tuneloop.results import Check, Cluster, DataManifest, Example, Origin
from tuneloop.row_files import COLUMNS, record_of
from tuneloop.workflows.prepare_data.examined import PRIVATE, QUARANTINED, TRAIN, Examined

EXAMPLES = 3
CLUSTERS = 10
CLUSTER_ROWS = 5
LENGTH_SAMPLE = 2000
"""Rows of each split of which the exact length is counted, for the histogram."""


def config_of(found: Examined) -> dict[str, Any]:
    """What, besides the rows themselves, makes a data version another one."""
    return {
        "data": _without_new_defaults(found.recipe.data.model_dump(mode="json")),
        "max_tokens": found.recipe.model.max_tokens,
        "feedback": found.feedback,
    }


def _without_new_defaults(data: dict[str, Any]) -> dict[str, Any]:
    """Keys that came later are left out where they say nothing, so that recipes without them keep their versions."""
    sources = [s if s["private"] else {k: v for k, v in s.items() if k != "private"} for s in data["sources"]]
    answer = {k: v for k, v in data["answer"].items() if k != "json_schema" or v is not None}
    return {**data, "sources": sources, "answer": answer}


def describe(
    found: Examined,
    *,
    version: str,
    parents: Sequence[str],
    root: Path,
    workspace: Path,
    counter: TokenCounter | None,
) -> DataManifest:
    """Everything that is known of the rows, without any text but masked examples."""
    seen = _Seen(found)
    return DataManifest(
        version=version,
        recipe=found.recipe.name,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        parents=list(parents),
        tuneloop=tuneloop.__version__,
        commit=_commit(root),
        config=config_of(found),
        columns=COLUMNS,
        sources=list(_origins(found, root, workspace)),
        review_rows=sum(found.rows_in[name] for name in found.feedback),
        rows_in=found.rows_in.total(),
        rows_quarantined=found.reasons.total(),
        rows_unused=found.rows_unused,
        rows_synthetic=found.rows_synthetic,
        rows={s: found.count(s) for s in found.splits},
        reasons=dict(found.reasons.most_common()),
        steps=found.steps,
        checks=[check_of(r.suite.name, f, seen.of(f)) for r in found.runs for f in r.findings],
        clusters=[_cluster(kept, gone, seen.examples) for kept, gone in found.near_copies[:CLUSTERS]],
        lengths=seen.lengths(counter) if counter else {},
        slices=seen.audit.slices(),
        synthetic=found.facts_of_synthetic,
    )


class _Seen:
    """One walk over all rows: the examples that will be shown, the audit of slices, a sample for lengths.

    Of private rows only lengths are taken: neither they nor what was quarantined as too like them is ever an example.
    """

    def __init__(self, found: Examined) -> None:
        wanted = set(_wanted(found)) - set(_never_shown(found))
        self.examples: dict[str, Example] = {}
        self.audit = SliceAudit(found.recipe.data.slices, found.recipe.data.answer)
        self.sampled: dict[str, list[Record]] = {s: [] for s in found.splits}
        salt = found.recipe.data.split_salt
        shares = {p: LENGTH_SAMPLE / max(int((found.places == p).sum()), 1) for p in range(PRIVATE + 1)}
        for place, text in zip(found.places, found.staging.texts(), strict=True):
            record = record_of(text)
            if place in {TRAIN, QUARANTINED} and record.id not in found.private_ids:
                self.audit.add(record, kept=place == TRAIN)
            if place <= PRIVATE and position(record.id, salt) < shares[place]:
                self.sampled[found.splits[place]].append(record)
            if record.id in wanted:
                self.examples[record.id] = _example(record)

    def of(self, finding: Finding) -> Iterator[Example]:
        return (self.examples[i] for i in finding.row_ids[:EXAMPLES] if i in self.examples)

    def lengths(self, counter: TokenCounter) -> dict[str, list[int]]:
        return {split: counter.count(records) for split, records in self.sampled.items()}


def _wanted(found: Examined) -> Iterator[str]:
    for run in found.runs:
        for finding in run.findings:
            yield from finding.row_ids[:EXAMPLES]
    for kept, gone in found.near_copies[:CLUSTERS]:
        yield kept
        yield from gone[:CLUSTER_ROWS]


def _never_shown(found: Examined) -> Iterator[str]:
    """Private rows, and those that were quarantined because of one: what they say, it says."""
    yield from found.private_ids
    for index, why in found.quarantined.items():
        if why.related in found.private_ids:
            yield found.ids[index]


def _example(record: Record) -> Example:
    return Example(id=shown(record.id), source=record.source, line=record.line, text=shown(question(record)))


def check_of(suite: str, finding: Finding, examples: Iterable[Example]) -> Check:
    """Return a finding as manifests hold it, with the first few of its masked examples."""
    return Check(
        suite=suite,
        expectation=finding.expectation,
        reason=finding.reason,
        column=finding.column,
        severity=finding.severity,
        success=finding.success,
        count=finding.count,
        examples=list(islice(examples, EXAMPLES)),
    )


def _cluster(kept: str, gone: Sequence[str], examples: Mapping[str, Example]) -> Cluster:
    return Cluster(
        size=1 + len(gone),
        kept=examples.get(kept),
        removed=[examples[i] for i in gone[:CLUSTER_ROWS] if i in examples],
    )


def _origins(found: Examined, root: Path, workspace: Path) -> Iterator[Origin]:
    for source in found.sources:
        sha256 = fingerprint(source, root=root, workspace=workspace)
        yield Origin(name=source.name, path=source.path, rows=found.rows_in[source.name], sha256=sha256)


def _commit(root: Path) -> str | None:
    """The project's commit, marked when files differ from it; None outside a checkout or without git."""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    return asked.stdout.strip() or None if asked.returncode == 0 else None
