"""From what people said to what is trained on: every response counts exactly once, whatever is killed or repeated.

`responses.jsonl` is the ledger, keyed by response id; everything else in the folder is derived from it from scratch, so
the same responses always give the same files.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from tuneloop.ports import ReviewAnswer
from tuneloop.results import FeedbackReport
from tuneloop.review.rows import locked, read_rows, write_rows

RESPONSES = "responses.jsonl"
CORRECTIONS = "corrections.jsonl"
PREFERENCES = "preferences.jsonl"
RATINGS = "ratings.jsonl"
CONFLICTS = "conflicts.jsonl"

FLAG = "flag:"
"""Issues that start so say that the record must not be used at all (personal data, say)."""


def changed(answer: str, correction: str | None) -> str | None:
    """The correction, stripped; None where it is empty or the answer itself, which people find pre-filled."""
    text = (correction or "").strip()
    return text if text and text != answer.strip() else None


def collect(answers: Sequence[ReviewAnswer], *, folder: Path) -> FeedbackReport:
    """Merge the submitted responses into the ledger and write corrections, preferences, ratings and conflicts.

    An edited response replaces its old self. A response that is no longer among `answers` stays: a desk that was
    emptied must not take the corrections with it. Two different corrections of one item: the one submitted last wins,
    the others are kept in conflicts.jsonl. `new_responses` counts those that no finished call has seen.
    """
    with locked(folder):
        known = {row["response_id"]: row for row in read_rows(folder / RESPONSES)}
        answers = [answer for answer in answers if answer.status == "submitted"]
        new = {answer.response_id for answer in answers} - known.keys()
        ledger = _in_order(_merged(known, answers).values())
        derived = _derive(ledger)
        for name, rows in derived.items():
            write_rows(folder / name, rows)
        # Last, so that a kill before this line leaves the responses "new" for the next call.
        write_rows(folder / RESPONSES, ledger)
    return _report(ledger, derived, len(new), folder)


def _merged(known: dict[str, dict[str, Any]], answers: Iterable[ReviewAnswer]) -> dict[str, dict[str, Any]]:
    merged = dict(known)
    for answer in answers:
        correction = changed(answer.answer, answer.correction)
        row = asdict(answer) | {"issues": sorted(answer.issues), "correction": correction}
        old = merged.get(answer.response_id)
        if old is None or row["submitted_at"] >= old["submitted_at"]:
            merged[answer.response_id] = row
    return merged


def _in_order(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["submitted_at"], row["response_id"]))


def _derive(ledger: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    files: dict[str, list[dict[str, Any]]] = {CORRECTIONS: [], PREFERENCES: [], CONFLICTS: []}
    for responses in _by_item(ledger):
        corrected = [row for row in responses if row["correction"]]
        if not corrected or any(issue.startswith(FLAG) for row in responses for issue in row["issues"]):
            continue
        winner = corrected[-1]
        files[CORRECTIONS].append(_correction(winner))
        files[PREFERENCES].append(_preference(winner))
        files[CONFLICTS] += [_conflict(row, winner) for row in corrected if row["correction"] != winner["correction"]]
    files[RATINGS] = [_rating(row) for row in ledger if row["rating"] is not None]
    return files


def _by_item(ledger: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Responses of one item together, each group still in order of submission (sorting is stable)."""

    def item(row: dict[str, Any]) -> tuple[str, str]:
        return row["review_set"], row["item_id"]

    return (list(group) for _, group in groupby(sorted(ledger, key=item), key=item))


def _correction(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"review/{row['review_set']}/{row['item_id']}",
        "prompt": row["prompt"],
        "completion": row["correction"],
        "created_at": row["submitted_at"],
        "group": row["item_id"],
        # Under `extra` it stays with the row into every data version: who corrected what, and which model's answer.
        "extra": _pick(row, "reviewer", "review_set", "model", "rating"),
    }


def _preference(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"review/{row['review_set']}/{row['item_id']}",
        "prompt": row["prompt"],
        "chosen": row["correction"],
        "rejected": row["answer"],
        "created_at": row["submitted_at"],
        "group": row["item_id"],
    } | _pick(row, "reviewer", "review_set", "model")


def _conflict(row: dict[str, Any], winner: dict[str, Any]) -> dict[str, Any]:
    return _pick(row, "response_id", "item_id", "review_set", "reviewer", "submitted_at", "prompt", "correction") | {
        "won": winner["response_id"]
    }


def _rating(row: dict[str, Any]) -> dict[str, Any]:
    return _pick(
        row,
        "response_id",
        "item_id",
        "review_set",
        "reviewer",
        "submitted_at",
        "prompt",
        "answer",
        "model",
        "rating",
        "issues",
    )


def _pick(row: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _report(
    ledger: list[dict[str, Any]], derived: dict[str, list[dict[str, Any]]], new: int, folder: Path
) -> FeedbackReport:
    ratings = [row["rating"] for row in derived[RATINGS]]
    return FeedbackReport(
        responses=len(ledger),
        new_responses=new,
        corrections=len(derived[CORRECTIONS]),
        preference_pairs=len(derived[PREFERENCES]),
        mean_rating=fmean(ratings) if ratings else None,
        issues=dict(Counter(issue for row in ledger for issue in row["issues"]).most_common()),
        folder=str(folder),
    )
