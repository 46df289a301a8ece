"""What of a workspace is backed up, and in which order.

The loop writes data, then models, then rounds, then the registry; reviewers' answers go to Argilla first and to the
ledgers afterwards. A copy takes time, so what refers to other things is copied before them: whatever the copy names is
in it. What a moment later would have finished looks as after a power cut, and the loop goes on from there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
