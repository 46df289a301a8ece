"""Replace a file by what is left of it: written beside, on the disk, then renamed, with its old mode and times."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneloop.files import force_to_disk

UNFINISHED = ".forgetting"
"""How the names of half-written files end; a killed run's are deleted by the next."""


@contextmanager
def rewritten(file: Path) -> Iterator[Path]:
    """A path to write to, which takes the file's place at the end.

    Times stay, as data versions are listed by them; so does the folder's.
    """
    draft = file.with_name(f".{file.name}{UNFINISHED}")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    folder = file.parent.stat()
    try:
        yield draft
        before = file.stat()
        shutil.copymode(file, draft)
        force_to_disk(draft)
        os.utime(draft, ns=(before.st_atime_ns, before.st_mtime_ns))
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    force_to_disk(file.parent)
    os.utime(file.parent, ns=(folder.st_atime_ns, folder.st_mtime_ns))


def write_bytes(file: Path, content: bytes) -> None:
    """Replace the file's content, unless it is that already."""
    with rewritten(file) as draft:
        draft.write_bytes(content)


def delete(path: Path) -> None:
    """Take away a file or a folder; one that is gone already is no error."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    if path.parent.is_dir():
        force_to_disk(path.parent)
