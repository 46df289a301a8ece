"""From what people said to what is trained on: every response counts exactly once, whatever is killed or repeated.

`responses.jsonl` is the ledger, keyed by response id; everything else that this module writes is derived from it (and
from gold.jsonl) from scratch, so the same responses always give the same files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

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
from tuneloop.review.reliability import Observed, reliabilities, weights_of
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.rows import locked, write_rows

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
