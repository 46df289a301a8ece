"""Files of reviewers' answers and of traffic: read and checked row by row."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import tuneloop
from tuneloop.data.masking import shown
from tuneloop.drift.traffic import TrafficRow
from tuneloop.ports import Finding, ReviewAnswer, Suite, Validator
from tuneloop.records import Rejection
from tuneloop.results import DataManifest, Example, Origin, Step
from tuneloop.review.review_sets import AskedLedger
from tuneloop.workflows.event_columns import feedback_columns, traffic_columns
from tuneloop.workflows.prepare_data.manifest import EXAMPLES, check_of
from tuneloop.workflows.validate_file.event_files import Event, read_events
from tuneloop.workflows.validate_file.request import Checked, Request, unreadable_of

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def check_events(request: Request, validator: Validator, progress: Callable[[int], None]) -> Iterator[Checked]:
    kind = ReviewAnswer if request.suite == "feedback" else TrafficRow
    events, rejections = read_events(request.sources, kind, progress)
    suite = Suite("feedback" if request.suite == "feedback" else "traffic", request.checks)
    findings = validator.validate(_frame(request, events), suite) if events else []
    gone = _gone(findings)
    rejections += [_rejection(e, *gone[e.id]) for e in events if e.id in gone]
    yield Checked(
        manifest=_manifest(request, suite.name, events, rejections, findings),
        suites=[(suite, len(events))],
        unreadable=unreadable_of(r for r in rejections if r.record_id is None),
        notes=_notes(request),
        passing=(asdict(e.value) for e in events if e.id not in gone),
        rejections=rejections,
    )


def _frame(request: Request, events: Sequence[Event]) -> pd.DataFrame:
    values, now = [e.value for e in events], datetime.now(UTC)
    if request.suite == "traffic":
        return traffic_columns(values, as_of=now)
    return feedback_columns(
        values,
        as_of=now,
        issue_tags=request.recipe.review.issue_tags if request.recipe else None,
        asked=_asked(request),
        names=request.checks.person_names,
    )


def _asked(request: Request) -> set[str] | None:
    """What the loop knows it has asked, where its ledger lies beside the file."""
    ledgers = [Path(f).parent / "asked.jsonl" for f in request.files]
    known = [set(AskedLedger(ledger).asked()) for ledger in ledgers if ledger.is_file()]
    return set().union(*known) if known else None


def _gone(findings: Sequence[Finding]) -> dict[str, tuple[str, str]]:
    """Return id -> reason and column of the first finding for which the row leaves."""
    gone: dict[str, tuple[str, str]] = {}
    for finding in (f for f in findings if f.severity != "warn"):
        for row_id in finding.row_ids:
            gone.setdefault(row_id, (finding.reason, str(finding.column)))
    return gone


def _rejection(event: Event, reason: str, column: str) -> Rejection:
    return Rejection(event.source, event.line, event.id, reason, column, raw=event.raw)


def _manifest(
    request: Request, suite: str, events: Sequence[Event], rejections: Sequence[Rejection], findings: Sequence[Finding]
) -> DataManifest:
    unreadable = Counter(r.reason for r in rejections if r.record_id is None)
    removed = Counter(r.reason for r in rejections if r.record_id is not None)
    passed = len(events) - removed.total()
    rows = Counter([*(e.source for e in events), *(r.source for r in rejections if r.record_id is None)])
    return DataManifest(
        version="",
        recipe=request.sources[0].name,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        parents=[],
        tuneloop=tuneloop.__version__,
        commit=None,
        config={"suite": suite},
        columns={},
        sources=[Origin(name=s.name, path=s.path, rows=rows[s.name]) for s in request.sources],
        review_rows=0,
        rows_in=rows.total(),
        rows_quarantined=len(rejections),
        rows_unused=0,
        rows={"passed": passed},
        reasons=dict((unreadable + removed).most_common()),
        steps=[
            Step(name="read", rows_out=len(events), removed=dict(unreadable)),
            Step(name="check rows", rows_out=passed, removed=dict(removed)),
        ],
        checks=[check_of(suite, f, _examples(f, events)) for f in findings],
    )


def _examples(finding: Finding, events: Sequence[Event]) -> Iterator[Example]:
    named = set(finding.row_ids[:EXAMPLES])
    return (
        Example(id=shown(e.id), source=e.source, line=e.line, text=shown(e.value.prompt))
        for e in events
        if e.id in named
    )


def _notes(request: Request) -> list[str]:
    if request.suite == "traffic":
        return ["names of people were not looked for: there are too many requests for that"]
    notes = [] if request.recipe else ["issue tags were not checked: name the recipe with --recipe"]
    if _asked(request) is None:
        notes.append("whether prompts were ever asked was not checked: there is no asked.jsonl beside the file")
    return notes
