"""Answers that support agents really sent, as training rows: the cheapest corrections there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuneloop.review.ledger import changed
from tuneloop.review.rows import locked, read_rows, write_rows

ACCEPTED = "accepted.jsonl"


def accept_from_traffic(rows: Iterable[Mapping[str, Any]], *, folder: Path) -> int:
    """Add the traffic rows that carry `sent` to accepted.jsonl; returns how many rows it now holds.

    Args:
        rows: {id, time, prompt, answer, model, sent} as the traffic log has them. Those without `sent`, or with an
            empty one, were only drafted and teach nothing.
        folder: where corrections.jsonl is too.

    Rows are known by their traffic id: a second call adds nothing, and rows stay when the log is rotated away.
    """
    with locked(folder):
        accepted = {row["id"]: row for row in read_rows(folder / ACCEPTED)}
        for known in accepted.values():
            known["extra"]["label"] = True  # what earlier releases wrote has none
        for row in rows:
            if (row.get("sent") or "").strip():
                accepted.setdefault(f"traffic/{row['id']}", _accepted(row))
        write_rows(folder / ACCEPTED, sorted(accepted.values(), key=lambda row: (row["created_at"], row["id"])))
    return len(accepted)


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
