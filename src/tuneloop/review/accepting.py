"""Answers that support agents really sent, as training rows: the cheapest corrections there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from tuneloop.review.ledger import changed
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
