"""Which paths may be read as files: what lies on a disk and has an end, never what can block its reader for ever."""

from __future__ import annotations

import os
import stat
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
