"""What the data checks made of the rows that people gave: how many came, how many were set aside, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from tuneloop.files import read_jsonl
from tuneloop.lineage.lineage_rows import reviewed_rows
from tuneloop.results import DataManifest, SetAside

REVIEW = "review/"
"""How ids begin that we have made; others may say anything."""
WITHDRAWN = "withdrawn_by_reviewer"
ROWS_SHOWN = 20


def people_rows(workspace: Path, recipe: str) -> SetAside | None:
    """Of the recipe's newest data version; None where there is none yet that can be read."""
    newest = next((m for m in _manifests(workspace) if m.recipe == recipe), None)
    if newest is None:
        return None
    folder = workspace / "data" / newest.version
    people = {str(name) for name in newest.config.get("feedback", [])}
    gone = [
        (row["source"], str(row["record_id"]), str(row["reason"])) for row in read_jsonl(folder / "quarantine.jsonl")
    ]
    theirs = [(name, reason) for source, name, reason in gone if source in people]
    return SetAside(
        version=newest.version,
        came=sum(origin.rows for origin in newest.sources if origin.name in people),
        reasons=dict(Counter(reason for _, reason in theirs).most_common()),
        rows=[row for row in theirs if row[0].startswith(REVIEW)][:ROWS_SHOWN],
        withdrawn=sum(reason == WITHDRAWN and source not in people for source, _, reason in gone),
        mended=sum(bool(row.review.get("mended")) for row in reviewed_rows(folder, "train")),
    )


def _manifests(workspace: Path) -> Iterator[DataManifest]:
    """Newest first; what another release wrote, or what is damaged, is passed over."""
    files = sorted((workspace / "data").glob("[!.]*/manifest.json"), key=lambda file: -file.stat().st_mtime_ns)
    for file in files:
        try:
            yield DataManifest.model_validate_json(file.read_bytes())
        except ValidationError:
            continue
