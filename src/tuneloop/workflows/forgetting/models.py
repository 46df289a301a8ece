"""Data versions that were changed, and the models that were trained on what is forgotten."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tuneloop.data.snapshots import load_manifest, read_quarantine
from tuneloop.errors import DataError
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.known_rounds import HashOf, KnownRounds, known_rounds
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import DataManifest, Forgotten, Round
from tuneloop.row_files import splits_in
from tuneloop.tombstones import seal, tombstone_key
from tuneloop.workflows.forgetting.rewriting import write_bytes

MARKER = ".forgetting-rows"
"""Lies in the folder of a version while its rows and its manifest may not agree."""


def open_version(folder: Path) -> None:
    """Mark it as one whose manifest is to be brought up to date."""
    with _same_times(folder):
        (folder / MARKER).touch(mode=0o600)


def open_versions(workspace: Path) -> list[Path]:
    """Versions that a killed run has left so."""
    return sorted(file.parent for file in (workspace / "data").glob(f"*/{MARKER}"))


def close_version(folder: Path) -> DataManifest:
    """Bring the manifest to what the files hold now."""
    from pyarrow import parquet

    manifest = load_manifest(folder)
    files = {split: folder / f"{split}.parquet" for split in splits_in(folder)}
    rows = {split: int(parquet.read_metadata(file).num_rows) for split, file in files.items()}
    before = manifest.forgotten.rows if manifest.forgotten else {}
    gone = {split: before.get(split, 0) + manifest.rows.get(split, 0) - count for split, count in rows.items()}
    forgotten = Forgotten(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        rows={split: count for split, count in gone.items() if count},
        quarantined=manifest.rows_quarantined - sum(1 for _ in read_quarantine(folder)),
        files={split: _hash(file) for split, file in files.items()},
    )
    key = tombstone_key(folder.parent.parent)
    sealed = forgotten.model_copy(update={"seal": seal(key, forgotten.sealed_content(manifest.version))})
    done = manifest.model_copy(update={"rows": {**manifest.rows, **rows}, "forgotten": sealed})
    write_bytes(folder / "manifest.json", done.model_dump_json(indent=2).encode())
    with _same_times(folder):
        (folder / MARKER).unlink(missing_ok=True)
    return done


@contextmanager
def _same_times(folder: Path) -> Iterator[None]:
    """Versions are listed in the order of their folders' times."""
    before = folder.stat()
    yield
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


LEARNED = "train"


@dataclass(frozen=True)
class TrainedModel:
    """A model and what it has seen of the rows: `splits` of its data version that held some. `round` is None for a
    training by hand, a search or a reproduction, whose folder is `name`."""

    name: str
    recipe: str
    round: int | None
    model_version: str | None
    data_version: str
    splits: tuple[str, ...]
    is_champion: bool
    advice: str

    def as_entry(self) -> dict[str, Any]:
        return asdict(self) | {"splits": list(self.splits)}


def trained_models(workspace: Path, versions: Mapping[str, set[str]], hash_of: HashOf) -> list[TrainedModel]:
    """Every model of these data versions (version -> splits that lose rows), and those that went on from one."""
    known = known_rounds(workspace)
    direct = [(r, r.data.version) for r in known.rounds if versions.get(r.data.version, set()) - {""}]
    found = [_of_round(workspace, r, tuple(sorted(versions[v] - {""})), learned=True) for r, v in direct]
    learned = [r for r, v in direct if LEARNED in versions[v]]
    found += [_of_round(workspace, r, (), learned=True) for r in _went_on(learned, known, hash_of)]
    return [*found, *_by_hand(workspace, versions, known)]


def _went_on(learned: list[Round], known: KnownRounds, hash_of: HashOf) -> list[Round]:
    """Rounds whose training began with the adapter of one of these, and so on."""
    found: list[Round] = []
    waiting = list(learned)
    while waiting:
        adapter = Path(waiting.pop().training.adapter)
        start = hash_of(adapter) if adapter.is_dir() else None
        for round_ in known.rounds:
            if start and round_.training.start == start and round_ not in [*found, *learned]:
                found.append(round_)
                waiting.append(round_)
    return found


def _of_round(workspace: Path, round_: Round, splits: tuple[str, ...], *, learned: bool) -> TrainedModel:
    champion = _champion(workspace, round_.recipe)
    is_champion = champion is not None and champion == round_.model_version
    return TrainedModel(
        name=f"{round_.recipe} round {round_.number}",
        recipe=round_.recipe,
        round=round_.number,
        model_version=round_.model_version,
        data_version=round_.data.version,
        splits=splits,
        is_champion=is_champion,
        advice=_advice(round_, splits, is_champion=is_champion) if learned else "",
    )


def _advice(round_: Round, splits: tuple[str, ...], *, is_champion: bool) -> str:
    folder = Path(round_.training.adapter).parent
    if splits and LEARNED not in splits:
        return "it was only chosen or measured by these rows, and learned nothing from them"
    again = f"train again without the rows (`tuneloop run` with the recipe of {round_.recipe})"
    if is_champion:
        return f"it is in production and learned from these rows: {again}; the next model that passes takes its place"
    return f"it learned from these rows: do not roll back to it; {again}, or delete {folder}"


def _champion(workspace: Path, recipe: str) -> str | None:
    """Version of the champion by the audit trail, which needs no server."""
    try:
        entries = AuditTrail(workspace, recipe, signing_key(workspace)).entries()
    except DataError:
        return None
    return next((entry.to_version for entry in reversed(entries) if entry.step == "done"), None)


def _by_hand(workspace: Path, versions: Mapping[str, set[str]], known: KnownRounds) -> Iterator[TrainedModel]:
    """Trainings that are no round, searches, curves, repetitions and exports: what their reports say they are of."""
    rounds = {Path(r.training.adapter).parent for r in known.rounds}
    hashes = {r.training.model_hash for r in known.rounds if versions.get(r.data.version, set()) - {""}}
    for file in _reports(workspace):
        version, model = _says(file)
        splits = tuple(sorted(versions.get(version, set()) - {""}))
        if file.parent not in rounds and (splits or model in hashes):
            yield TrainedModel(
                name=str(file.parent.relative_to(workspace)),
                recipe=file.parent.parent.name,
                round=None,
                model_version=None,
                data_version=version,
                splits=splits,
                is_champion=False,
                advice=f"delete {file.parent} unless it is still needed",
            )


def _reports(workspace: Path) -> Iterator[Path]:
    for pattern in (
        "models/*/*/report.json",
        "searches/*/*/search.json",
        "learning-curves/*/*/curve.json",
        "reproductions/*/*/report.json",
        "exports/*/export.json",
    ):
        yield from sorted(workspace.glob(pattern))


def _says(file: Path) -> tuple[str, str]:
    """Data version and model's hash of a report."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return str(content.get("data_version", "")), str(content.get("model_hash", ""))
    except (ValueError, AttributeError):
        return "", ""
