"""What tells one artefact from another."""

from __future__ import annotations

from pathlib import Path

from tuneloop.files import contents_hash, file_digests


def artifact_hash(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of a folder's files."""
    return contents_hash(file_digests(folder))
