"""What a backup holds: files, databases and its manifest, and which paths change when it is restored elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from tuneloop.errors import ServiceError

NAME = "tuneloop-backup.json"
FORMAT = 1


class Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: str
    size: int


class Manifest(BaseModel):
    """`files` and `links` by path within the workspace; a link leads to another path within it.

    `workspace` is where the backed-up workspace was, which some of its files say in full.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    version: str
    created_at: str
    workspace: str = Field(pattern="^/")
    files: dict[str, Entry]
    links: dict[str, str]


PAUSE_SECONDS = 0.2


def copy_database(original: Path, copy: Path) -> None:
    """Copy one moment of the database; its writers go on, or wait for it as they wait for each other.

    Raises:
        ServiceError: the original is damaged.
    """
    copy.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(original)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there, sleep=PAUSE_SECONDS)  # all pages in one step; tried again while a writer holds it
            there.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
            found = there.execute("PRAGMA quick_check").fetchall()
    except sqlite3.DatabaseError as error:
        raise ServiceError(f"{original} cannot be copied ({error}): restore it from an earlier backup") from error
    if found != [("ok",)]:
        raise ServiceError(f"{original} is damaged: restore it from an earlier backup")


# The loop writes data, then models, then rounds, then the registry; reviewers' answers go to Argilla first and to the
# ledgers afterwards. A copy takes time, so what refers to other things is copied before them: whatever the copy names
# is in it. What a moment later would have finished looks as after a power cut, and the loop goes on from there.


LEFT_OUT = frozenset(
    {"logs", "run", "tmp", "metric-modules", "stack.lock", "argilla/tmp", "argilla/lock", "argilla/valkey"}
)
"""Logs, what only running processes need, and what they make anew. Argilla's queue holds jobs, no answers: the hourly
collection finds what its messages would have told."""
DERIVED = ("argilla/search.db", "argilla/mirror.db")
TOGETHER = ("rounds", "promotions")
"""Copied in one moment with the registry's database: they name each other."""
REGISTRY = "mlflow/mlflow.db"
LAST = ("argilla", "prefect", "mlflow", "evaluations", "generations", "models", "data")
"""In this order, after everything else. Databases of the servers before what only grows."""
SQLITE = b"SQLite format 3\x00"
BESIDE_SQLITE = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, slots=True)
class Contents:
    """`files` in the order in which they are copied, all relative; `links`: path -> target, within the workspace."""

    files: tuple[str, ...]
    links: dict[str, str]


def contents_of(workspace: Path) -> Contents:
    """What is there now. A link that leads out of the workspace counts as what it leads to."""
    found = sorted(_walk(workspace, workspace.resolve(), ""), key=lambda entry: _turn(entry[0]))
    files = [path for path, target in found if target is None]
    databases = {path for path in files if is_database(workspace / path)}
    beside = {f"{path}{ending}" for path in databases for ending in BESIDE_SQLITE}
    return Contents(
        tuple(path for path in files if path not in beside),
        {path: target for path, target in found if target is not None},
    )


def is_database(file: Path) -> bool:
    try:
        with file.open("rb") as stream:
            return stream.read(len(SQLITE)) == SQLITE
    except FileNotFoundError:
        return False  # a temporary file that is gone


def is_registry(path: str) -> bool:
    return path == REGISTRY or path.partition("/")[0] in TOGETHER


def _turn(path: str) -> tuple[int, str]:
    if is_registry(path):
        return (0, path)
    top, _, rest = path.partition("/")
    # Within a server's folder its database first: what it names is written before it.
    return (2 + LAST.index(top) * 2 + ("/" in rest), path) if top in LAST else (1, path)


def _walk(folder: Path, home: Path, prefix: str) -> Iterator[tuple[str, str | None]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            path = f"{prefix}{entry.name}"
            if path in LEFT_OUT or path.startswith(DERIVED):
                continue
            inside = Path(entry.path).resolve().is_relative_to(home) if entry.is_symlink() else False
            if inside:
                yield path, os.path.relpath(Path(entry.path).resolve(), home)
            elif entry.is_dir():
                yield from _walk(Path(entry.path), home, f"{path}/")
            elif entry.is_file():
                yield path, None


DOCUMENTS = ("rounds/*/*.json", "models/*/*/report.json", "models/base/origins/*.json", "evaluations/*/*/report.json")
"""Written by the loop, and hashed by nothing. A model's own files are hashed, and are found by where these say."""
CACHED = ("prefect/results",)
"""Results of tasks by what they were made of; they name places, and are made anew."""
TABLES = ("tags", "model_version_tags", "params")
"""Of the registry's database; rounds and versions say there where their weights are."""


def move_names(folder: Path, old: str, new: str) -> None:
    """Have a workspace that was at `old` and stands in `folder` name its future place `new`."""
    for pattern in DOCUMENTS:
        for file in folder.glob(pattern):
            _rewrite(file, old, new)
    for name in CACHED:
        shutil.rmtree(folder / name, ignore_errors=True)
    if (folder / REGISTRY).is_file():
        _rename_in_registry(folder / REGISTRY, old, new)


def _rewrite(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    for written in (lambda path: path, lambda path: json.dumps(path)[1:-1]):
        for end in ("/", '"'):
            text = text.replace(f'"{written(old)}{end}', f'"{written(new)}{end}')
    file.write_text(text, encoding="utf-8")


def _rename_in_registry(database: Path, old: str, new: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for table in there.intersection(TABLES):
            connection.execute(
                f"UPDATE {table} SET value = ? || substr(value, ?) WHERE value = ? OR substr(value, 1, ?) = ?",  # noqa: S608
                (new, len(old) + 1, old, len(old) + 1, f"{old}/"),
            )
