"""Trace a reviewer's or a source's rows to the models that were trained on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.files import read_jsonl
from tuneloop.lineage.lineage import ModelName, Part, manifest_of, model_name
from tuneloop.lineage.lineage_rows import Lineage, rows_of_id, rows_of_reviewer, set_aside, set_aside_in
from tuneloop.registry.known_rounds import KnownRounds, lines_with
from tuneloop.results import Origin
from tuneloop.row_files import splits_in

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


BLOCKED = "blocked-"
"""How the files of rows begin that were refused as a whole, see `tuneloop.workflows.prepare_data`."""


class Trace(Part):
    """A data version that holds what was looked for, and the models that were trained on that version.

    `rows` are kept rows with their split (`train` is learned from, `validation` chooses the weights, `test` only
    measures) and rows that were set aside, which have none.
    """

    version: str
    rows: list[Lineage]
    sources: list[Origin]
    models: list[ModelName]

    @property
    def is_learned(self) -> bool:
        """Whether models of this version learned from it."""
        return bool(self.sources) or any(row.split == "train" for row in self.rows)


class Traces(Part):
    """What was found of `looked_for`, and what could not be read; `responses` of a reviewer, by review set."""

    looked_for: str
    responses: dict[str, int]
    found: list[Trace]
    missing: list[str]


def trace_row(workspace: Path, row_id: str, known: KnownRounds) -> Traces:
    """Where the row with this id went, the synthetic rows made of it included; or why it was set aside. Of a reviewer's
    row also whether it was replaced or taken back since."""

    def rows_in(folder: Path) -> Iterator[Lineage]:
        for split in splits_in(folder):
            yield from _compared_with_today(workspace, rows_of_id(folder, split, row_id))
        yield from set_aside(folder, row_id)

    found = _traces(workspace, row_id, known, rows_in)
    return _required(found.model_copy(update={"found": [*found.found, *_blocked(workspace, row_id)]}), "row")


def _blocked(workspace: Path, row_id: str) -> Iterator[Trace]:
    """Rows of data that was refused as a whole, of which no version was made."""
    for file in sorted((workspace / "data").glob(f"{BLOCKED}*.jsonl")):
        if rows := list(set_aside_in(file, row_id)):
            yield Trace(version=f"none ({file.name})", rows=rows, sources=[], models=[])


def trace_reviewer(workspace: Path, reviewer: str, known: KnownRounds) -> Traces:
    """Where the corrections of a reviewer (a pseudonym) went, and how many responses there are in each review set."""

    def rows_in(folder: Path) -> Iterator[Lineage]:
        for split in splits_in(folder):
            yield from _compared_with_today(workspace, rows_of_reviewer(folder, split, reviewer))

    responses: dict[str, int] = {}
    for file in sorted(workspace.glob("feedback/*/responses.jsonl")):
        for row in lines_with(file, reviewer):
            if row.get("reviewer") == reviewer and row.get("status", "submitted") == "submitted":
                review_set = str(row.get("review_set"))
                responses[review_set] = responses.get(review_set, 0) + 1
    found = _traces(workspace, reviewer, known, rows_in).model_copy(update={"responses": responses})
    return _required(found, "reviewer")


def trace_source(workspace: Path, sha256: str, known: KnownRounds) -> Traces:
    """Where a source's file went, by the first letters of its SHA-256."""
    missing = list(known.missing)
    found = []
    for folder in _versions(workspace):
        manifest = manifest_of(folder, missing)
        sources = [o for o in manifest.sources if o.sha256.startswith(sha256)] if manifest else []
        if sources:
            found.append(Trace(version=folder.name, rows=[], sources=sources, models=_models(known, folder.name)))
    return _required(Traces(looked_for=sha256, responses={}, found=found, missing=missing), "source")


def _compared_with_today(workspace: Path, rows: Iterable[Lineage]) -> Iterator[Lineage]:
    present = present_words(workspace)
    for row in rows:
        since = None if present is None else what_changed(row, present)
        yield row.model_copy(update={"since": since}) if since else row


def _traces(
    workspace: Path, looked_for: str, known: KnownRounds, rows_in: Callable[[Path], Iterable[Lineage]]
) -> Traces:
    missing, found = list(known.missing), []
    for folder in _versions(workspace):
        try:
            rows = list(rows_in(folder))
        except DataError as error:
            missing.append(str(error))
            continue
        if rows:
            found.append(Trace(version=folder.name, rows=rows, sources=[], models=_models(known, folder.name)))
    kept = {folder.name for folder in _versions(workspace)}
    gone = sorted({r.data.version for r in known.rounds} - kept)
    missing += [f"data version {version}: its rows are gone, so nobody can say what it held" for version in gone]
    return Traces(looked_for=looked_for, responses={}, found=found, missing=missing)


def _versions(workspace: Path) -> list[Path]:
    """Folders of the data versions, in the order in which they were made."""
    folders = [path for path in (workspace / "data").glob("[!.]*") if path.is_dir()]
    return sorted(folders, key=lambda folder: (folder.stat().st_mtime_ns, folder.name))


def _models(known: KnownRounds, version: str) -> list[ModelName]:
    return [model_name(r) for r in known.with_data(version)]


def _required(traces: Traces, kind: str) -> Traces:
    if not (traces.found or traces.responses):
        unread = f"; could not be read: {'; '.join(traces.missing)}" if traces.missing else ""
        raise DataError(f"no data version holds the {kind} {traces.looked_for}{unread}")
    return traces
