"""Collect responses from the annotation backend, and accept answers that were sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol

from tuneloop.ports import ReviewAnswer
from tuneloop.recipes import Adjudication
from tuneloop.results import FeedbackReport
from tuneloop.review.adjudication import decisions_on
from tuneloop.review.gold import Gold, read_gold_ledger
from tuneloop.review.judging import Judgement, judged
from tuneloop.review.ledger import (
    FLAG,
    RESPONSES,
    Key,
    Reviewed,
    changed,
    merged,
    read_ledger,
    red_team_prompts,
    reviewed_records,
    write_ledger,
)
from tuneloop.review.outputs import (
    COMPARISONS,
    CONFLICTS,
    CORRECTIONS,
    LEARNED,
    PREFERENCES,
    RATINGS,
    ROW_VERDICTS,
    THUMBS,
    TRIAGE,
    derive,
)
from tuneloop.review.quality import Observed, reliabilities, weights_of
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.rows import locked, read_rows, write_rows

ACCEPTED = "accepted.jsonl"
TREATED = "treated"
"""In a row's `extra`: the policy for personal data that it is stored under."""


class Policy(Protocol):
    """What becomes of personal data before rows are stored: a row as it may be stored, or None, each."""

    @property
    def name(self) -> str:
        """Rows that were treated under another one, or none, are treated again."""
        ...

    def __call__(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]: ...


def accept_from_traffic(rows: Iterable[Mapping[str, Any]], *, folder: Path, policy: Policy) -> int:
    """Add the traffic rows that carry `sent` to accepted.jsonl; returns how many rows it now holds.

    Args:
        rows: {id, time, prompt, answer, model, sent} as the traffic log has them. Those without `sent`, or with an
            empty one, were only drafted and teach nothing.
        folder: where corrections.jsonl is too.
        policy: what is done with personal data before anything is stored; rows that earlier releases stored raw are
            treated too.

    Rows are known by their traffic id: a second call adds nothing, and rows stay when the log is rotated away.
    """
    with locked(folder):
        stored = read_rows(folder / ACCEPTED)
        known = {row["id"] for row in stored}
        done = [row for row in stored if row["extra"].get(TREATED) == policy.name]
        open_rows = [row for row in stored if row["extra"].get(TREATED) != policy.name]
        for row in open_rows:
            row["extra"]["label"] = True  # what earlier releases wrote has none
        sent = {f"traffic/{row['id']}": row for row in rows if (row.get("sent") or "").strip()}
        open_rows += [_accepted(row) for name, row in sent.items() if name not in known]
        accepted = {row["id"]: row for row in (*done, *_treated(open_rows, policy))}
        write_rows(folder / ACCEPTED, sorted(accepted.values(), key=lambda row: (row["created_at"], row["id"])))
    return len(accepted)


def _treated(rows: Sequence[dict[str, Any]], policy: Policy) -> list[dict[str, Any]]:
    new = policy(rows) if rows else []
    for row in filter(None, new):
        row["extra"][TREATED] = policy.name
    return [row for row in new if row is not None]


def _accepted(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"traffic/{row['id']}",
        "prompt": row["prompt"],
        "completion": row["sent"].strip(),
        "created_at": row["time"],
        "group": row["id"],
        # A draft that was sent untouched may just not have been read; whoever trains on these can tell them apart.
        # The label is KTO's: what was sent is an answer to learn from.
        "extra": {"model": row["model"], "edited": changed(row["answer"], row["sent"]) is not None, "label": True},
    }


# `responses.jsonl` is the ledger, keyed by response id; everything else that this module writes is derived from it (and
# from gold.jsonl) from scratch, so the same responses always give the same files.


__all__ = [
    "COMPARISONS",
    "CONFLICTS",
    "CORRECTIONS",
    "FLAG",
    "PREFERENCES",
    "RATINGS",
    "RESPONSES",
    "ROW_VERDICTS",
    "THUMBS",
    "TRIAGE",
    "Examined",
    "changed",
    "collect",
    "examined",
]

DEFAULT_LIMITS = Adjudication()


@dataclass(frozen=True, slots=True)
class Examined:
    """The ledger seen as a whole. `judgements` are of all records but gold items and adjudication's own."""

    ledger: list[ReviewAnswer]
    records: list[Reviewed]
    gold: dict[Key, Gold]
    decisions: dict[Key, ReviewAnswer]
    observed: dict[str, Observed]
    judgements: list[Judgement]

    @property
    def weights(self) -> dict[str, float]:
        return weights_of(self.observed)

    @property
    def waiting(self) -> list[Judgement]:
        """Conflicts that nobody has decided."""
        return [judgement for judgement in self.judgements if judgement.conflicts]


def examined(ledger: Sequence[ReviewAnswer], *, folder: Path, limits: Adjudication = DEFAULT_LIMITS) -> Examined:
    """What the responses of a feedback folder come to, by the gold items that are noted there."""
    records, gold = reviewed_records(ledger), read_gold_ledger(folder)
    decisions = decisions_on((record.key for record in records), ledger)
    observed = reliabilities(records, gold=gold, decisions=decisions)
    weights, tests = weights_of(observed), red_team_prompts(ledger)
    judgements = [
        _without_tests(judged(record, weights=weights, decision=decisions.get(record.key), limits=limits), tests)
        for record in records
        if record.kind != "adjudication" and record.key not in gold
    ]
    return Examined(list(ledger), records, gold, decisions, observed, judgements)


def collect(answers: Sequence[ReviewAnswer], *, folder: Path, limits: Adjudication = DEFAULT_LIMITS) -> FeedbackReport:
    """Merge the responses into the ledger and write everything that is derived from it.

    See `tuneloop.review.ledger.merged` for edits and answers that are taken back, and `tuneloop.review.outputs` for
    what comes of which answer. `limits` say what a conflict is. `new_responses` counts submitted ones that no finished
    call has seen.

    Raises:
        DataError: the ledger or gold.jsonl is damaged; nothing was written.
    """
    with locked(folder):
        known = read_ledger(folder)
        new = _submitted(answers) - _submitted(known.values())
        found = examined(merged(known, answers), folder=folder, limits=limits)
        derived = derive(found.judgements, found.weights)
        _assert_no_tests(derived, red_team_prompts(found.ledger))
        for name, rows in derived.items():
            write_rows(folder / name, rows)
        # Last, so that a kill before this line leaves the responses "new" for the next call.
        write_ledger(folder, found.ledger)
    return _report(found, derived, len(new), folder)


def _submitted(answers: Iterable[ReviewAnswer]) -> set[str]:
    return {answer.response_id for answer in answers if answer.status == "submitted"}


def _without_tests(judgement: Judgement, tests: set[str]) -> Judgement:
    """Prompts of the red-team suite may have come up elsewhere, too: in traffic, say."""
    is_test = judgement.record.kind != "red_team" and prompt_hash(judgement.record.shown.prompt) in tests
    return replace(judgement, unusable="test_prompt", conflicts=()) if is_test else judgement


def _assert_no_tests(derived: Mapping[str, Sequence[Mapping[str, Any]]], tests: set[str]) -> None:
    learned = {prompt_hash(row["prompt"]) for name in LEARNED for row in derived[name]}
    assert not learned & tests, "a prompt of the red-team suite was about to become a training row"


def _report(
    found: Examined, derived: Mapping[str, Sequence[Mapping[str, Any]]], new: int, folder: Path
) -> FeedbackReport:
    ratings = [row["rating"] for row in derived[RATINGS]]
    statuses = Counter(answer.status for answer in found.ledger)
    submitted = [answer for answer in found.ledger if answer.status == "submitted"]
    return FeedbackReport(
        responses=statuses["submitted"],
        new_responses=new,
        drafts=statuses["draft"],
        discarded=statuses["discarded"],
        corrections=len(derived[CORRECTIONS]),
        preference_pairs=len(derived[PREFERENCES]),
        thumbs=len(derived[THUMBS]),
        comparisons=len(derived[COMPARISONS]),
        row_verdicts=len(derived[ROW_VERDICTS]),
        triaged=len(derived[TRIAGE]),
        conflicts_waiting=len(derived[CONFLICTS]),
        conflicts_decided=len(found.decisions),
        unusable=dict(Counter(j.unusable for j in found.judgements if j.unusable).most_common()),
        mean_rating=fmean(ratings) if ratings else None,
        issues=dict(Counter(issue for answer in submitted for issue in answer.issues).most_common()),
        folder=str(folder),
    )
