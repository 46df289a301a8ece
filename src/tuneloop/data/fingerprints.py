"""What a source holds now, as one hash."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tuneloop.data.files import file_of
from tuneloop.recipes import Source
from tuneloop.records import content_hash


def fingerprint(source: Source, *, root: Path, workspace: Path) -> str:
    """SHA-256 of the file, or of the names and hashes of a saved data set's files; "" for what has no file here.

    Raises:
        DataError: there is no such file or package.
    """
    path = file_of(source, root=root, workspace=workspace)
    if path is None or not path.exists():
        return ""
    if path.is_dir():
        return content_hash([(str(f.relative_to(path)), _hash(f)) for f in sorted(path.rglob("*")) if f.is_file()])
    return _hash(path)


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
