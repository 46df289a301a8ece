"""Errors of the system, in words: at this edge of the process every one of them becomes a sentence with a remedy."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

FULL = (errno.ENOSPC, errno.EDQUOT)
REMEDIES: Mapping[int, str] = {
    errno.EROFS: "is on a disk that is mounted read-only; mount it for writing, or choose another workspace "
    "(TUNELOOP_WORKSPACE)",
    errno.EACCES: "may not be read or written by this user; change its mode or owner, or choose another workspace "
    "(TUNELOOP_WORKSPACE)",
    errno.EPERM: "may not be changed by this user; change its mode or owner, or choose another workspace "
    "(TUNELOOP_WORKSPACE)",
    errno.ENOENT: "is not there; check the path",
    errno.ENOTDIR: "cannot be: something on the way to it is a file, not a folder; check the path",
    errno.EISDIR: "is a folder; name a file in it",
    errno.EEXIST: "is there already, as something else; move it away",
    errno.ENAMETOOLONG: "has a name that is too long; shorten it",
    errno.ELOOP: "is a link that leads to itself; name the file itself",
    errno.EIO: "cannot be read or written: the disk reports an error; look into the system's log (dmesg) and "
    "restore a backup",
    errno.EADDRINUSE: "needs a port that another program uses; stop that, or run `tuneloop down` and `tuneloop up`, "
    "which takes another port",
    errno.EMFILE: "cannot be opened beside so many other files; raise the limit (ulimit -n)",
}
NEARLY_NOTHING = 16 * 1024**2


def sentence_of(error: OSError, workspace: Path) -> str | None:
    """What went wrong where, and what to do; None for an error of which no user can know the remedy."""
    if error.errno in FULL:
        place = f" while writing {error.filename}" if error.filename else ""
        return f"the disk is full{place}: free some space on {_full_disks(workspace)}, and run this again: it goes on"
    remedy = REMEDIES.get(error.errno or 0)
    if remedy is None:
        return None
    named = [str(name) for name in (error.filename, error.filename2) if name]
    if error.errno == errno.ENOENT and (old := _former_place(named, workspace)):
        return (
            f"{named[0]} is not there: the workspace was {old} when that was noted, and is {workspace} now. Move it "
            f"back, or leave a link in its old place: ln -s {workspace} {old}"
        )
    return f"{' and '.join(named) or f'something in {workspace}'} {remedy}"


def _former_place(missing: Sequence[str], workspace: Path) -> Path | None:
    """Where the workspace stood when it noted this path, if the path's end leads to something in it today."""
    parts = Path(missing[0]).parts if missing and Path(missing[0]).is_absolute() else ()
    for start in range(1, len(parts)):
        if (workspace / Path(*parts[start:])).exists():
            return Path(*parts[:start])
    return None


def _full_disks(workspace: Path) -> str:
    """Those of the places we write to that have next to nothing left; an error of `write` does not name its file."""
    places = {"the workspace": workspace, "temporary files": Path(tempfile.gettempdir())}
    free = {f"the disk of {name} ({place})": _free_bytes(place) for name, place in places.items()}
    return " and ".join(name for name, left in free.items() if left < NEARLY_NOTHING) or " or ".join(free)


def _free_bytes(place: Path) -> int:
    while not place.exists() and place != place.parent:
        place = place.parent
    return min(shutil.disk_usage(place).free, os.statvfs(place).f_bavail * os.statvfs(place).f_frsize)
