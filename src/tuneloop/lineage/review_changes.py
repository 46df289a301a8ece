"""Whether people still say what a row was once made of: answers are edited, taken back and decided otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuneloop.files import read_jsonl
from tuneloop.lineage.data_lineage import Lineage

FILES = ("corrections.jsonl", "preferences.jsonl", "thumbs.jsonl", "row_verdicts.jsonl")
"""What feedback becomes, in the folder of each recipe."""

TAKEN_BACK = "taken back since: the next data version has it no more"


def present_words(workspace: Path) -> dict[str, list[Mapping[str, Any]]] | None:
    """Row id -> who says so today, and when; None where no feedback is kept here."""
    files = [file for name in FILES for file in sorted(workspace.glob(f"feedback/*/{name}"))]
    if not files:
        return None
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in _rows(files):
        found.setdefault(str(row.get("row") or row.get("id")), []).append(row.get("extra") or {})
    return found


def what_changed(row: Lineage, present: Mapping[str, list[Mapping[str, Any]]]) -> str | None:
    """What became of a reviewed row's words after its data version was made; None: nothing, or it is no such row."""
    if "reviewer" not in row.review:
        return None
    said = present.get(row.id, [])
    was = row.review.get("response_id"), row.review.get("reviewed_at") or row.created_at
    if any(was == (now.get("response_id") if was[0] else None, now.get("reviewed_at")) for now in said):
        return None
    if not said:
        return TAKEN_BACK
    return f"replaced since: {said[0].get('reviewer')} answered anew on {str(said[0].get('reviewed_at'))[:16]}"


def _rows(files: Iterable[Path]) -> Iterable[Mapping[str, Any]]:
    for file in files:
        yield from read_jsonl(file)
