"""Data versions: folders that are written once, named by their content, and never changed afterwards.

`<workspace>/data/<version>/` holds {train,validation,test}.parquet (id, cluster, record as JSON), quarantine.jsonl
(what was set aside, with the raw row, readable by the owner alone) and manifest.json (counts, sources, checks; no
text).
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from tuneloop.errors import DataError
from tuneloop.records import Record, Rejection, Split, content_hash

SPLITS: tuple[Split, ...] = get_args(Split)
VERSION_DIGITS = 12
STALE_SECONDS = 3600.0

Row = tuple[Record, str]
"""A record and the name of its cluster."""


def version_of(splits: Mapping[Split, Sequence[Row]], config: Mapping[str, Any]) -> str:
    """12 hex digits: equal rows in equal splits under an equal configuration have an equal version."""
    rows = {s: [content_hash([r.to_json(), cluster]) for r, cluster in splits.get(s, ())] for s in SPLITS}
    return content_hash([rows, config])[:VERSION_DIGITS]


def write_snapshot(
    workspace: Path,
    *,
    splits: Mapping[Split, Sequence[Row]],
    quarantine: Sequence[Rejection],
    config: Mapping[str, Any],
    manifest: Mapping[str, Any],
) -> Path:
    """Write a data version and return its folder; a version that is there already is not written again.

    A kill at any moment leaves no half-written version. Quarantine and manifest are not part of the content: when
    only they differ (a broken line more in the file), they are replaced, one file at a time.
    """
    version = version_of(splits, config)
    folder = workspace / "data" / version
    about = {"version": version, **manifest, "config": dict(config)}
    if folder.is_dir():
        _refresh(folder, quarantine, about)
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _remove_stale(folder.parent)
    partial = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder.parent))
    try:
        for split in SPLITS:
            _write_rows(partial / f"{split}.parquet", splits.get(split, ()))
        write_quarantine(partial / "quarantine.jsonl", quarantine)
        _write_private(partial / "manifest.json", json.dumps(about, indent=2, ensure_ascii=False))
        _move(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def load_rows(path: Path) -> list[Record]:
    """The records of one split file, in their order."""
    return [Record.from_json(json.loads(text)) for text in _column(path, "record")]


def load_clusters(path: Path) -> dict[str, str]:
    """Record id -> cluster, for statistics that must not take near-relatives for independent rows."""
    return dict(zip(_column(path, "id"), _column(path, "cluster"), strict=True))


def load_manifest(folder: Path) -> dict[str, Any]:
    """What is known of a data version.

    Raises:
        DataError: there is no such version.
    """
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"there is no data version at {folder}; run the validation first") from error
    return manifest


def latest_version(workspace: Path, recipe: str) -> str | None:
    """The version that was written last for a recipe; None before the first."""
    written = [
        (path.stat().st_mtime, m["version"])
        for path in (workspace / "data").glob("[!.]*/manifest.json")
        if (m := load_manifest(path.parent)).get("recipe") == recipe
    ]
    return max(written)[1] if written else None


def write_quarantine(path: Path, quarantine: Iterable[Rejection]) -> None:
    """One rejection a line, raw row included: the file is for the owner's eyes alone (mode 0600)."""
    _write_private(path, "".join(json.dumps(asdict(r), ensure_ascii=False) + "\n" for r in quarantine))


def _column(path: Path, name: str) -> list[str]:
    from pyarrow import parquet

    try:
        values: list[str] = parquet.read_table(path, columns=[name]).column(name).to_pylist()
    except FileNotFoundError as error:
        raise DataError(f"there are no rows at {path}; run the validation first") from error
    return values


def _write_rows(path: Path, rows: Sequence[Row]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "id": [r.id for r, _ in rows],
        "cluster": [c for _, c in rows],
        "record": [json.dumps(r.to_json(), ensure_ascii=False) for r, _ in rows],
    }
    parquet.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), path)


def _refresh(folder: Path, quarantine: Sequence[Rejection], about: Mapping[str, Any]) -> None:
    old = load_manifest(folder)
    lasting = {k: old[k] for k in ("created_at", "parents") if k in old}
    write_quarantine(folder / "quarantine.jsonl", quarantine)
    text = json.dumps({**about, **lasting}, indent=2, ensure_ascii=False)
    if text != json.dumps(old, indent=2, ensure_ascii=False):
        _write_private(folder / "manifest.json", text)


def _write_private(path: Path, text: str) -> None:
    """Through a file of mode 0600 from its first byte on, then in one step to its name."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _move(partial: Path, folder: Path) -> None:
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():  # somebody else finished the same version first: equal content, nothing lost
            raise


def _remove_stale(parent: Path) -> None:
    """What killed runs have left; a young one may still be at work."""
    for leftover in parent.glob(".*-*"):
        if leftover.is_dir() and time.time() - leftover.stat().st_mtime > STALE_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)
