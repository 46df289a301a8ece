"""Data versions that lose rows: the name stays, and the manifest says how many are gone and what is left."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tuneloop.data.snapshots import load_manifest, read_quarantine
from tuneloop.results import DataManifest, Forgotten
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
