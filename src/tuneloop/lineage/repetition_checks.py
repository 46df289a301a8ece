"""Check whether a training can be repeated: data, base, environment and code."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from tuneloop.errors import DataError
from tuneloop.lineage.data_diff import Difference
from tuneloop.lineage.lineage import manifest_of
from tuneloop.recipes import Recipe
from tuneloop.results import DataManifest, Origin
from tuneloop.row_files import hash_rows, splits_in, version_of
from tuneloop.tombstones import seal, tombstone_key


def content_version(folder: Path, manifest: DataManifest) -> str:
    """Return the name that rows and configuration of the folder have now.

    Raises:
        DataError: a split is not there, or its file is damaged.
    """
    hashes = {split: _hash(folder / f"{split}.parquet") for split in splits_in(folder, manifest.rows)}
    return version_of(hashes, manifest.config)


def _hash(path: Path) -> str:
    import pyarrow as pa

    try:
        return hash_rows(path)
    except FileNotFoundError as error:
        raise DataError(f"the rows at {path} are gone") from error
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(f"the rows at {path} cannot be read ({type(error).__name__})") from error


HashNow = Callable[[Origin], str]
"""SHA-256 that a source's file has now; "" where there is none."""


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Finding(Part):
    """Something the repetition rests on. `blocking`: without it nothing can be repeated."""

    what: str
    state: Literal["same", "differs", "unknown", "blocking"]
    text: str


def check_data(workspace: Path, version: str, recipe: Recipe, hash_now: HashNow) -> Finding:
    """Whether the rows are there and are still those that the version's name says."""
    folder = workspace / "data" / version
    missing: list[str] = []
    manifest = manifest_of(folder, missing)
    try:
        now = content_version(folder, manifest) if manifest else None
    except DataError as error:
        return Finding(what="data", state="blocking", text=f"{error}. {how_to_rebuild(hash_now, recipe, manifest)}")
    if manifest is None:
        if all((folder / f"{split}.parquet").is_file() for split in ("train", "validation")):
            return Finding(what="data", state="unknown", text=f"the rows are there, but {missing[0]}: not verified")
        return Finding(what="data", state="blocking", text=f"{missing[0]}. {how_to_rebuild(hash_now, recipe, None)}")
    if manifest.forgotten and now != version:
        return _check_forgotten(folder, manifest)
    if now != version:
        text = f"data version {version} was changed: its content is {now} now; restore it from a backup"
        return Finding(what="data", state="blocking", text=f"{text}. {how_to_rebuild(hash_now, recipe, manifest)}")
    return Finding(
        what="data", state="same", text=f"data version {version}: rows and configuration are as its name says"
    )


def _check_forgotten(folder: Path, manifest: DataManifest) -> Finding:
    """A version from which rows were erased cannot give the same model again; that it was nothing else is checked."""
    gone = manifest.forgotten
    assert gone is not None
    expected = seal(tombstone_key(folder.parent.parent), gone.sealed_content(manifest.version))
    is_ours = gone.seal == expected and all(
        _sha256(folder / f"{split}.parquet") == sha256 for split, sha256 in gone.files.items()
    )
    if not is_ours:
        text = (
            f"data version {manifest.version} was changed, and not by `tuneloop forget` alone: restore a backup of it"
        )
        return Finding(what="data", state="blocking", text=text)
    text = (
        f"{gone.total} rows of data version {manifest.version} were forgotten on request ({gone.at}): the training "
        "cannot be repeated exactly, as their words must not come back. The rows that are left are as they were"
    )
    return Finding(what="data", state="differs", text=text)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def how_to_rebuild(hash_now: HashNow, recipe: Recipe, manifest: DataManifest | None) -> str:
    """In words: from which files, and which of them are still what they were."""
    if manifest:
        sources = "; ".join(
            f"{o.name} ({o.path}, sha256 {o.sha256[:12]}: {_state(o, hash_now(o))})" for o in manifest.sources
        )
    else:
        sources = "; ".join(f"{s.name} ({s.path})" for s in recipe.data.sources)
    return (
        f"To make the version again, put these sources back as they were and run the flow data-validation with the "
        f"recipe of then: equal sources under an equal configuration give the same version. Sources: {sources}"
    )


def check_base(then: str, now: str) -> Finding:
    if then == now:
        return Finding(what="base model", state="same", text=f"base {now[:12]}")
    text = f"the base was {then[:12]} and is {now[:12]} now: restore its folder, or name its commit in model.revision"
    return Finding(what="base model", state="blocking", text=text)


def check_key(then: str, now: str) -> Finding:
    """The key covers base, data version and training section; a new release may add settings, and so change it."""
    if then == now:
        return Finding(what="settings", state="same", text=f"training key {now}")
    text = f"the settings give the training key {now}, not {then}: not the recipe of then, or another release's"
    return Finding(what="settings", state="differs", text=text)


def check_environment(differences: Iterable[Difference], then: Mapping[str, str]) -> Finding:
    if not then:
        return Finding(what="environment", state="unknown", text="nobody kept what the run was made with")
    decisive = [d.name for d in differences if d.part == "environment" and d.may_change_model]
    if decisive:
        text = f"other than then, and may change the model: {', '.join(decisive)}"
        return Finding(what="environment", state="differs", text=text)
    return Finding(what="environment", state="same", text="code, machine and libraries are those of then")


def _state(origin: Origin, now: str) -> str:
    if not origin.sha256:
        return "no file"
    if not now:
        return "gone"
    return "still the same" if now == origin.sha256 else "changed"
