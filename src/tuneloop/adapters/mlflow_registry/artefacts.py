"""What tells one artefact from another."""

from __future__ import annotations

import hashlib
from pathlib import Path


def artifact_hash(path: Path) -> str:
    """Hex SHA-256 over the names and contents of a folder's files, or of the one file."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    total = hashlib.sha256()
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        with file.open("rb") as stream:
            total.update(f"{name}:{hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
