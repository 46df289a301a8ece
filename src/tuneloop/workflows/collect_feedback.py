"""Collect feedback: reviewers' responses and answers edited in production become rows, each exactly once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuneloop.data.anonymising import treat
from tuneloop.drift.traffic import read_since
from tuneloop.lineage.people_rows import people_rows
from tuneloop.ports import AnnotationBackend, ReviewAnswer
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.recipes import Checks, Recipe
from tuneloop.records import Message, Record
from tuneloop.registry.known_rounds import known_recipes
from tuneloop.registry.rounds import load_rounds
from tuneloop.reports.review import write_review_page
from tuneloop.results import FeedbackReport, ReviewSummary
from tuneloop.review.adjudication import unpublished
from tuneloop.review.agreement import read_judge_agreement
from tuneloop.review.collecting import ACCEPTED, Examined, accept_from_traffic, collect, examined
from tuneloop.review.ledger import read_ledger
from tuneloop.review.outputs import DERIVED
from tuneloop.review.review_sets import is_set_of
from tuneloop.review.rows import read_rows
from tuneloop.review.summary import summarise
from tuneloop.review.timing import cause_for_a_turn
from tuneloop.workflows.review_sets.publishing import publish_conflicts
from tuneloop.workspaces import feedback_folder, traffic_file

_log = logging.getLogger(__name__)


def collect_feedback(
    recipe: Recipe,
    *,
    root: Path,
    workspace: Path,
    backend: AnnotationBackend | None,
    check: Callable[[Sequence[ReviewAnswer]], None],
) -> tuple[FeedbackReport, Examined]:
    """Turn responses and edited answers into rows, and send conflicts to adjudication; returns the ledger, examined.

    `backend`: None: the recipe has no review. `check` is called with all submitted answers when there are new ones.
    """
    folder = feedback_folder(workspace, recipe.name)
    # Of all the recipe's sets: reviewers may still be at an old one.
    found = backend.answers(f"{recipe.name}-") if backend else []
    answers = [answer for answer in found if is_set_of(recipe.name, answer.review_set)]
    report = collect(answers, folder=folder, limits=recipe.review.adjudication)
    if report.new_responses:
        check([answer for answer in answers if answer.status == "submitted"])
    accept_answers(
        map(asdict, read_since(traffic_file(workspace, recipe.name))),
        folder=folder,
        checks=recipe.data.checks,
        key=pseudonym_key(workspace),
    )
    state = review_state(recipe, workspace)
    if backend:
        publish_conflicts(recipe, state.waiting, root=root, workspace=workspace, backend=backend)
    return report, state


def review_state(recipe: Recipe, workspace: Path) -> Examined:
    """Return the recipe's ledger, examined."""
    folder = feedback_folder(workspace, recipe.name)
    return examined(list(read_ledger(folder).values()), folder=folder, limits=recipe.review.adjudication)


def report_review(
    recipe: Recipe, found: Examined, *, workspace: Path, backend: AnnotationBackend | None
) -> tuple[ReviewSummary, Path]:
    """Write the review report anew; returns what it says and its page. `backend`: None: the recipe has no review."""
    folder = feedback_folder(workspace, recipe.name)
    known = backend.progress(f"{recipe.name}-") if backend else []
    progress = [each for each in known if is_set_of(recipe.name, each.review_set)]
    summary = summarise(
        recipe.name,
        found,
        progress,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows={name: len(read_rows(folder / name)) for name in DERIVED},
        accepted=len(read_rows(folder / ACCEPTED)),
        set_aside=people_rows(workspace, recipe.name),
        judge=read_judge_agreement(folder),
        unpublished=unpublished(folder, found.waiting),
    )
    return summary, write_review_page(folder, summary)


def cause_of_next_cycle(
    recipe: Recipe, feedback: FeedbackReport, *, workspace: Path, open_backend: Callable[[], AnnotationBackend]
) -> str | None:
    """Say why the next cycle is due; None where it is not, or the recipe has made no round here yet."""
    rounds = load_rounds(workspace, recipe.name)
    if not rounds or not recipe.review.enabled:
        return None
    progress = open_backend().progress(f"{recipe.name}-")
    return cause_for_a_turn(rounds[-1], feedback, progress, after_answers=recipe.review.retrain_after_answers)


def recipes_to_sweep(root: Path, workspace: Path) -> dict[str, str]:
    """Return name -> path of the recipes that had a cycle in this workspace and are still there."""
    known = known_recipes(workspace)
    for name, path in known.items():
        if not (root / path).is_file():
            _log.warning("recipe %s is not at %s any more: its answers are not collected", name, path)
    return {name: path for name, path in known.items() if (root / path).is_file()}


def accept_answers(rows: Iterable[Mapping[str, Any]], *, folder: Path, checks: Checks, key: bytes) -> int:
    """Add the traffic rows that carry `sent` to accepted.jsonl; returns how many rows it now holds.

    Under `redact` and `pseudonymise` rows are stored with what takes the place of personal data. Under `quarantine` a
    row that holds some is not stored here at all: it stays in the traffic log alone.
    """
    return accept_from_traffic(rows, folder=folder, policy=_Policy(checks, key))


@dataclass(frozen=True)
class _Policy:
    """Stored rows name the policy that they were treated under, so that each is treated once."""

    checks: Checks
    key: bytes

    @property
    def name(self) -> str:
        return f"{self.checks.pii_policy}:{','.join(sorted(self.checks.pii_allowed))}"

    def __call__(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any] | None]:
        treated = treat([_record(row) for row in rows], self.checks, self.key)
        return [
            _stored(row, record) if not self._is_kept_out(kinds) else None
            for row, record, kinds in zip(rows, treated.records, treated.kinds, strict=True)
        ]

    def _is_kept_out(self, kinds: str) -> bool:
        found = set(kinds.split(",")) - {"", *self.checks.pii_allowed}
        return self.checks.pii_policy == "quarantine" and bool(found)


def _record(row: Mapping[str, Any]) -> Record:
    messages = (Message("user", row["prompt"]), Message("assistant", row["completion"]))
    return Record(row["id"], messages, source="traffic", line=0, group=row["group"], extra=row["extra"])


def _stored(row: Mapping[str, Any], record: Record) -> dict[str, Any]:
    new = {"id": record.id, "group": record.group, "extra": dict(record.extra)}
    return {**row, **new, "prompt": record.prompt, "completion": record.completion}
