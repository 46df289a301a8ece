"""Decide which paths may be read: what lies on a disk and has an end, and none of a workspace's own secrets.

A recipe may read any file that its owner may, and where its rows, prompts and weights end up, others read them: review
sets, reports, the registry, a judge. The loop's own logins, keys, databases and logs have no business there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

SYSTEM_FOLDERS = (Path("/proc"), Path("/sys"))
"""What looks like a file there is made up by the kernel while it is read, and may have no end."""

MIB = 1024**2


def is_missing(path: Path) -> bool:
    """Whether nothing at all has this name, not even a link to nowhere."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # there may be something, and `fault_of` says why it cannot be read
    return False


def fault_of(path: Path, *, max_bytes: int | None = None, remedy: str = "split it") -> str | None:
    """Why the path cannot be read as a file, as the rest of a sentence that begins with its name; None: it can.

    `remedy` is for a file of more than `max_bytes`. Nothing is opened: opening a pipe would wait for a writer.
    """
    try:
        real = path.resolve(strict=True)
        found = real.stat()
    except RuntimeError:  # before Python 3.13
        return "is a link that leads to itself; name the file itself"
    except OSError as error:
        return f"cannot be opened: {error.strerror or type(error).__name__}; check the path"
    if fault := _wrong_kind(real, found.st_mode):
        return fault
    if not os.access(real, os.R_OK):
        return "may not be read by this user; its owner can allow it (chmod u+r)"
    if max_bytes is not None and found.st_size > max_bytes:
        return f"has {found.st_size / MIB:,.1f} MiB, and at most {max_bytes / MIB:,.3g} are read; {remedy}"
    return None


def _wrong_kind(real: Path, mode: int) -> str | None:
    if stat.S_ISDIR(mode):
        return "is a folder; name a file in it"
    if not stat.S_ISREG(mode):
        return "is a pipe, a socket or a device; write its content into a file and name that"
    if any(real.is_relative_to(folder) for folder in SYSTEM_FOLDERS):
        return "is made up by the system while it is read; copy what you need into a file and name that"
    return None


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
