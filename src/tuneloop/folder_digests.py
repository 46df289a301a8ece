"""What lies in a folder, file by file, so that whatever was changed, added or taken away can be named.

Every file is read whenever it is asked for; nothing is remembered. A memory keyed by path, size, inode and times could
be fooled by whoever can write the file: a page that is mapped and already dirty takes further writes without any time
being touched (until it is written back; on tmpfs for ever), and modification times can be set at will.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CHUNK_BYTES = 1 << 20

DigestsOf = Callable[[Path], Mapping[str, str]]
"""Name -> hex SHA-256 of all files below a folder: `file_digests`, or the same with a display of how far it is."""


def file_digests(folder: Path, on_bytes: Callable[[int], None] | None = None) -> dict[str, str]:
    """Return name -> hex SHA-256 of all files below the folder, hidden ones too; nothing where there is no folder.

    What is neither a file nor a folder, or a link to a folder, is never opened; it, and a file that cannot be read,
    stands with what it is instead.

    Args:
        folder: it and all folders below it are read.
        on_bytes: told how many bytes more have been read.
    """
    return {path.relative_to(folder).as_posix(): _digest(path, on_bytes) for path in sorted(_paths(folder))}


def contents_hash(digests: Mapping[str, str]) -> str:
    """Hex SHA-256 over names and digests."""
    return hashlib.sha256("".join(f"{name}:{digest}\n" for name, digest in digests.items()).encode()).hexdigest()


def changes(sealed: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Say of every file that is not as it was what became of it."""
    return [
        f"{name} {'was added' if name not in sealed else 'is gone' if name not in found else 'changed'}"
        for name in sorted({*sealed, *found})
        if sealed.get(name) != found.get(name)
    ]


def folder_bytes(folder: Path) -> int:
    """Bytes that `file_digests` would read."""
    return sum(path.stat().st_size for path in _paths(folder) if path.is_file())


def _paths(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in files)
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())


def _digest(path: Path, on_bytes: Callable[[int], None] | None) -> str:
    if not path.is_file():
        return "link to a folder" if path.is_symlink() else "no file"
    total = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                total.update(chunk)
                if on_bytes:
                    on_bytes(len(chunk))
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return total.hexdigest()
