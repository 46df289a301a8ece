"""Data versions: folders that are written once, named by their content, and never changed afterwards.

`<workspace>/data/<version>/` holds {train,validation,test}.parquet (id, cluster, record as JSON), private.parquet where
the recipe has a private test set (readable by the owner alone, as all of the folder is), quarantine.jsonl
(what was set aside, with the raw row, readable by the owner alone), manifest.json (counts, sources, checks; no text
but masked examples), and report.html, which is drawn afterwards.

Why folders and no table format: docs/adr/0001-data-versions.md.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.data.staging import record_of, rejection_line, remove_stale
from tuneloop.errors import DataError
from tuneloop.files import atomic_write, force_to_disk
from tuneloop.records import Record, Rejection, Split, content_hash
from tuneloop.results import DataManifest

log = logging.getLogger(__name__)

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
"""What every version has. Which ones a version has: `splits_in`."""
PRIVATE: Split = "private"
PAGE = "report.html"
"""Drawn from the manifest of a finished version (`tuneloop.reports.data.page`), so it may be missing."""
COLUMNS = {"id": "string", "cluster": "string", "record": "string (JSON)"}
VERSION_DIGITS = 12
ROW_GROUP = 5000

Row = tuple[Split, str, str, str]
"""Split, id, name of the cluster, record as JSON."""


def write_snapshot(
    workspace: Path,
    *,
    rows: Iterable[Row],
    quarantine: Iterable[Rejection],
    config: Mapping[str, Any],
    describe: Callable[[str, DataManifest | None], DataManifest],
) -> Path:
    """Write a data version and return its folder; a version that is there already is not written again.

    Equal rows in equal splits under an equal configuration have an equal version. `describe` is given the version, and
    what is known of it where it was made before; it returns the manifest. A kill at any moment leaves no half-written
    version. Quarantine and manifest are not part of the content: when only they differ (a broken line more in the
    file), they are replaced, one file at a time, and a report of the old manifest goes.
    """
    parent = workspace / "data"
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    remove_stale(parent)
    partial = Path(tempfile.mkdtemp(prefix=".version-", dir=parent))
    try:
        version = content_hash([_write_rows(partial, rows), config])[:VERSION_DIGITS]
        folder = parent / version
        write_quarantine(partial / "quarantine.jsonl", quarantine)
        manifest = describe(version, _known(folder))
        atomic_write(partial / "manifest.json", manifest.model_dump_json(indent=2))
        for file in (*partial.glob("*.parquet"), partial):
            force_to_disk(file)
        _move(partial, folder)
        force_to_disk(parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def splits_in(folder: Path) -> list[Split]:
    """The splits of a data version: all that there are, or those that every version has."""
    return [*SPLITS, *([PRIVATE] if (folder / f"{PRIVATE}.parquet").is_file() else [])]


def load_rows(path: Path) -> list[Record]:
    """The records of one split file, in their order."""
    return [Record.from_json(json.loads(text)) for text in _column(path, "record")]


def stream_rows(path: Path) -> Iterator[Record]:
    """The same, a batch at a time: the texts of a whole split may not fit in memory."""
    from pyarrow import parquet

    if not path.is_file():
        raise DataError(f"there are no rows at {path}; run the validation first")
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROW_GROUP, columns=["record"]):
            yield from map(record_of, batch.column(0).to_pylist())


def load_clusters(path: Path) -> dict[str, str]:
    """Record id -> cluster, for statistics that must not take near-relatives for independent rows."""
    return dict(zip(_column(path, "id"), _column(path, "cluster"), strict=True))


def load_manifest(folder: Path) -> DataManifest:
    """What is known of a data version.

    Raises:
        DataError: there is no such version, or its manifest is damaged or of another release of tuneloop.
    """
    try:
        return DataManifest.model_validate_json((folder / "manifest.json").read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"there is no data version at {folder}; run the validation first") from error
    except ValidationError as error:
        raise DataError(
            f"{folder / 'manifest.json'} is damaged, or was written by another release of tuneloop; run the validation "
            "again"
        ) from error


def list_manifests(workspace: Path, recipe: str | None = None) -> list[DataManifest]:
    """All data versions (of a recipe), in the order in which they were last made. Other releases' are left out."""
    files = (workspace / "data").glob("[!.]*/manifest.json")
    found = []
    for file in sorted(files, key=lambda f: f.stat().st_mtime_ns):
        try:
            found.append(load_manifest(file.parent))
        except DataError as error:
            log.warning("%s", error)
    return [m for m in found if recipe in {None, m.recipe}]


def require_manifests(workspace: Path, recipe: str | None = None) -> list[DataManifest]:
    """Return all data versions (of a recipe), as `list_manifests` does.

    Raises:
        DataError: there is none.
    """
    found = list_manifests(workspace, recipe)
    if not found:
        raise DataError(
            f"no data versions {f'of {recipe} ' if recipe else ''}in {workspace} yet: `tuneloop run "
            "deployments/recipes/NAME.yaml` makes one (and trains on it); the flow data-validation makes only that"
        )
    return found


def find_manifest(manifests: Sequence[DataManifest], version: str | None = None) -> DataManifest:
    """Return the data version that is named, or begins like `version`; None: the last of them.

    Raises:
        DataError: there is none, or more than one.
    """
    if version is None:
        return manifests[-1]
    found = [m for m in manifests if m.version == version] or [m for m in manifests if m.version.startswith(version)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(m.version for m in (found or manifests)[-10:])
    raise DataError(f"{version} is {'ambiguous' if found else 'not a known data version'}; there are: {known}")


def read_quarantine(folder: Path) -> Iterator[Rejection]:
    """What was set aside when the version was made, raw rows included."""
    with (folder / "quarantine.jsonl").open(encoding="utf-8", errors="surrogatepass") as lines:
        for line in lines:
            yield Rejection(**json.loads(line))


def write_quarantine(path: Path, quarantine: Iterable[Rejection]) -> None:
    """One rejection a line, raw row included: the file is for the owner's eyes alone (mode 0600)."""
    atomic_write(path, map(rejection_line, quarantine), errors="surrogatepass")


def _write_rows(folder: Path, rows: Iterable[Row]) -> dict[str, str]:
    """Write the rows of every split as they come; a hash of each split's content.

    The private split is only there where it has rows, so that versions without one keep the hash they always had.
    """
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in COLUMNS])
    writers: dict[Split, parquet.ParquetWriter] = {}
    hashes: dict[Split, Any] = {}
    waiting: dict[Split, list[tuple[str, str, str]]] = {}

    def begin(split: Split) -> None:
        file = folder / f"{split}.parquet"
        if split == PRIVATE:
            file.touch(mode=0o600)  # what is written into it later keeps this
        writers[split] = parquet.ParquetWriter(file, schema, compression="zstd")
        hashes[split], waiting[split] = hashlib.sha256(), []

    def write(split: Split, enough: int) -> None:
        if len(waiting[split]) >= enough:
            columns: Sequence[Sequence[str]] = list(zip(*waiting[split], strict=True))
            writers[split].write_table(pa.table([pa.array(c, pa.string()) for c in columns], schema=schema))
            waiting[split].clear()

    for split in SPLITS:
        begin(split)
    for split, row_id, cluster, record in rows:
        if split not in writers:
            begin(split)
        hashes[split].update(json.dumps([row_id, cluster, record]).encode())
        waiting[split].append((row_id, cluster, record))
        write(split, ROW_GROUP)
    for split, writer in writers.items():
        write(split, 1)
        writer.close()
    return {s: h.hexdigest() for s, h in hashes.items()}


def _column(path: Path, name: str) -> list[str]:
    from pyarrow import parquet

    try:
        values: list[str] = parquet.read_table(path, columns=[name]).column(name).to_pylist()
    except FileNotFoundError as error:
        raise DataError(f"there are no rows at {path}; run the validation first") from error
    return values


def _known(folder: Path) -> DataManifest | None:
    try:
        return load_manifest(folder)
    except DataError:
        return None


def _move(partial: Path, folder: Path) -> None:
    """Give the finished folder its name. Where the version is there already (made before, or by somebody faster),
    only what is not content is renewed."""
    try:
        partial.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        (folder / PAGE).unlink(missing_ok=True)  # before the manifest: a kill must not leave the page of another one
        for name in ("quarantine.jsonl", "manifest.json"):  # the manifest last: it is what is looked for
            (partial / name).replace(folder / name)
        force_to_disk(folder)
