"""Files of reviewers' answers and of traffic: read, looked at row by row, told what was found."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tuneloop
from expectations.alone.checked import Checked, Unreadable, checks_of, recipe_of, sources_of
from expectations.alone.event_files import Event, read_events
from expectations.alone.options import Options
from tuneloop.drift.traffic import TrafficRow
from tuneloop.ports import ReviewAnswer
from tuneloop.records import Rejection
from tuneloop.results import Check, DataManifest, Example, Origin, Step
from tuneloop.review.review_sets import AskedLedger

if TYPE_CHECKING:
    import pandas as pd

    from expectations.validating import Finding

EXAMPLES = 3


@contextmanager
def check_events(options: Options, progress: Callable[[int], None]) -> Iterator[Checked]:
    """Check all files together; `progress` is told of rows as they are read.

    Raises:
        DataError: a file cannot be read. RecipeError: the recipe cannot.
    """
    from expectations.validating import validate

    kind = ReviewAnswer if options.suite == "feedback" else TrafficRow
    events, rejections = read_events(sources_of(options), kind, progress)
    suite, frame = _feedback(options, events) if options.suite == "feedback" else _traffic(options, events)
    findings = validate(frame, suite) if events else []
    gone = _gone(findings)
    rejections += [_rejection(e, *gone[e.id]) for e in events if e.id in gone]
    yield Checked(
        manifest=_manifest(options, suite.name, events, rejections, findings),
        suites=[(suite, len(events))],
        unreadable=_unreadable([r for r in rejections if r.record_id is None]),
        notes=_notes(options),
        passing=(asdict(e.value) for e in events if e.id not in gone),
        rejections=rejections,
    )


def _feedback(options: Options, events: Sequence[Event]) -> tuple[Any, pd.DataFrame]:
    from expectations.feedback_columns import feedback_columns
    from expectations.feedback_suite import feedback_suite

    recipe, checks = recipe_of(options), checks_of(options)
    frame = feedback_columns(
        [e.value for e in events],
        as_of=datetime.now(UTC),
        issue_tags=recipe.review.issue_tags if recipe else None,
        asked=_asked(options),
        names=checks.person_names,
    )
    return feedback_suite(checks), frame


def _asked(options: Options) -> set[str] | None:
    """What the loop knows it has asked, where its ledger lies beside the file."""
    ledgers = [Path(f).parent / "asked.jsonl" for f in options.files]
    known = [set(AskedLedger(ledger).asked()) for ledger in ledgers if ledger.is_file()]
    return set().union(*known) if known else None


def _traffic(options: Options, events: Sequence[Event]) -> tuple[Any, pd.DataFrame]:
    from expectations.traffic_columns import traffic_columns
    from expectations.traffic_suite import traffic_suite

    checks = checks_of(options)
    return traffic_suite(checks), traffic_columns([e.value for e in events], as_of=datetime.now(UTC))


def _gone(findings: Sequence[Finding]) -> dict[str, tuple[str, str]]:
    """Id -> reason and column of the first finding for which the row leaves."""
    gone: dict[str, tuple[str, str]] = {}
    for finding in (f for f in findings if f.severity != "warn"):
        for row_id in finding.row_ids:
            gone.setdefault(row_id, (finding.reason, str(finding.column)))
    return gone


def _rejection(event: Event, reason: str, column: str) -> Rejection:
    return Rejection(event.source, event.line, event.id, reason, column, raw=event.raw)


def _manifest(
    options: Options, suite: str, events: Sequence[Event], rejections: Sequence[Rejection], findings: Sequence[Finding]
) -> DataManifest:
    unreadable = Counter(r.reason for r in rejections if r.record_id is None)
    removed = Counter(r.reason for r in rejections if r.record_id is not None)
    passed = len(events) - removed.total()
    rows = Counter([*(e.source for e in events), *(r.source for r in rejections if r.record_id is None)])
    return DataManifest(
        version="",
        recipe=sources_of(options)[0].name,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        parents=[],
        tuneloop=tuneloop.__version__,
        commit=None,
        config={"suite": suite},
        columns={},
        sources=[Origin(name=s.name, path=s.path, rows=rows[s.name]) for s in sources_of(options)],
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
        checks=[_check(suite, f, events) for f in findings],
    )


def _check(suite: str, finding: Finding, events: Sequence[Event]) -> Check:
    from tuneloop.data.masking import shown

    named = set(finding.row_ids[:EXAMPLES])
    examples = [
        Example(id=shown(e.id), source=e.source, line=e.line, text=shown(e.value.prompt))
        for e in events
        if e.id in named
    ]
    return Check(
        suite=suite,
        expectation=finding.expectation,
        reason=finding.reason,
        column=finding.column,
        severity=finding.severity,
        success=finding.success,
        count=finding.count,
        examples=examples[:EXAMPLES],
    )


def _unreadable(rejections: Sequence[Rejection]) -> list[Unreadable]:
    counts = Counter(r.reason for r in rejections)
    places = {reason: [f"{r.source}:{r.line}" for r in rejections if r.reason == reason] for reason in counts}
    return [Unreadable(reason, n, tuple(places[reason][:EXAMPLES])) for reason, n in counts.most_common()]


def _notes(options: Options) -> list[str]:
    if options.suite == "traffic":
        return ["names of people were not looked for: there are too many requests for that"]
    notes = [] if options.recipe else ["issue tags were not checked: name the recipe with --recipe"]
    if _asked(options) is None:
        notes.append("whether prompts were ever asked was not checked: there is no asked.jsonl beside the file")
    return notes
