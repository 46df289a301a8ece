"""Secret keys of a workspace: random bytes in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from tuneloop.errors import DataError
from tuneloop.files import force_to_disk

KEY_BYTES = 32


def secret_key(workspace: Path, name: str) -> bytes:
    """32 random bytes, made once per workspace and kept in the file `name` with mode 0600.

    Processes that ask at the same time get the same key, and a killed one leaves no half of a key.

    Raises:
        DataError: the file holds something else; it is never replaced, as what it sealed would verify no more.
    """
    workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = workspace / name
    if not file.exists():
        _make(file)
    return _read(file)


def _read(file: Path) -> bytes:
    try:
        key = bytes.fromhex(file.read_text("ascii"))
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:  # an empty key would be one that everybody knows
        raise DataError(
            f"the key {file} is damaged: bring it back from a backup. Without one, delete it; a new one is made, and "
            "what was sealed with the old one does not verify any more"
        )
    return key


def _make(file: Path) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.new")
    unfinished.touch(mode=0o600)
    try:
        with unfinished.open("w") as stream:
            stream.write(secrets.token_hex(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())  # what is signed from now on is worth nothing without the key
        os.link(unfinished, file)  # unlike a rename, this never replaces the key of a process that was faster
        force_to_disk(file.parent)
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
