"""Data versions: folders that are written once, named by their content, and never changed afterwards.

`<workspace>/data/<version>/` holds {train,validation,test}.parquet (id, cluster, record as JSON), private.parquet where
the recipe has a private test set (readable by the owner alone, as all of the folder is), quarantine.jsonl
(what was quarantined, with the raw row, readable by the owner alone), manifest.json (counts, sources, checks; no text
but masked examples), and report.html, which is drawn afterwards.

Why folders and no table format: docs/adr/0001-data-versions.md.
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tuneloop.data.staging import rejection_line, remove_stale
from tuneloop.errors import DataError
from tuneloop.files import atomic_write, force_to_disk
from tuneloop.records import Rejection
from tuneloop.results import DataManifest
from tuneloop.row_files import Row, version_of, write_splits

log = logging.getLogger(__name__)

PAGE = "report.html"
"""Drawn from the manifest of a finished version (`tuneloop.reports.data.page`), so it may be missing."""


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
        version = version_of(write_splits(partial, rows), config)
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
    """Yield what was quarantined when the version was made, raw rows included."""
    with (folder / "quarantine.jsonl").open(encoding="utf-8", errors="surrogatepass") as lines:
        for line in lines:
            yield Rejection(**json.loads(line))


def write_quarantine(path: Path, quarantine: Iterable[Rejection]) -> None:
    """One rejection a line, raw row included: the file is for the owner's eyes alone (mode 0600)."""
    atomic_write(path, map(rejection_line, quarantine), errors="surrogatepass")


def _known(folder: Path) -> DataManifest | None:
    try:
        return load_manifest(folder)
    except DataError:
        return None


def _move(partial: Path, folder: Path) -> None:
    """Give the finished folder its name. Where the version is there already (made before, or by a faster run),
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
