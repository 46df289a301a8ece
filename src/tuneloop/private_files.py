"""What no recipe may read: a workspace's own logins, keys, databases and logs.

A recipe may read any file that its owner may, and where its rows, prompts and weights end up, others read them: review
sets, reports, the registry, a judge. The loop's own secrets have no business there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("argilla", "logs", "mlflow", "prefect", "run", "tmp")
"""Of a workspace, private as a whole: the servers' homes, their logs, their configurations and temporary files."""

NAMES = re.compile(r"stack\.(json|lock).*|.*\.key(\.\d.*)?|.*\.(db|sqlite3?)(-(wal|shm|journal))?")
"""Of private files anywhere else in a workspace. While one is being written, a dot comes first and a number last."""

RUNNING_SYSTEM = Path("/proc")
"""Holds the environment of every process of ours, logins included, as files."""


def is_private(path: Path, workspace: Path) -> bool:
    """Whether the file, or anything in the folder, is one of the workspace's own secrets, under whatever name.

    Symbolic links and `..` are followed; a hard link is known by its inode. What is not there is judged by its name.
    """
    workspace = workspace.resolve()
    inodes: set[tuple[int, int]] | None = None
    for found in (path, *_inside(path)):
        resolved = _resolved(found)
        if resolved is None or _is_named_private(resolved, workspace):
            return True
        if resolved.is_file() and (status := resolved.stat()).st_nlink > 1:
            inodes = _inodes(workspace) if inodes is None else inodes
            if (status.st_dev, status.st_ino) in inodes:
                return True
    return False


def private_files(workspace: Path) -> Iterator[Path]:
    """Every private file of the workspace that is there now."""
    for folder in FOLDERS:
        yield from _inside(workspace / folder)
    yield from (file for file in workspace.glob("*") if _is_named_private(file, workspace))


def _is_named_private(resolved: Path, workspace: Path) -> bool:
    if resolved.is_relative_to(RUNNING_SYSTEM) or workspace.is_relative_to(resolved):
        return True  # a folder that holds the workspace holds its secrets
    if not resolved.is_relative_to(workspace):
        return False
    parts = resolved.relative_to(workspace).parts
    return parts[0] in FOLDERS or NAMES.fullmatch(parts[-1].lstrip(".")) is not None


def _inside(folder: Path) -> Iterator[Path]:
    """All files of a folder, and the links in it that lead to folders."""
    for here, folders, files in os.walk(folder):
        yield from (Path(here, name) for name in files)
        yield from (place for name in folders if (place := Path(here, name)).is_symlink())


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return None


def _inodes(workspace: Path) -> set[tuple[int, int]]:
    found = set()
    for file in private_files(workspace):
        try:
            status = file.stat()
        except OSError:
            continue  # it has gone, or is a link to nothing
        found.add((status.st_dev, status.st_ino))
    return found
