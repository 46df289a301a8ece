"""Secret keys of a workspace: random bytes in files that only their owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_BYTES = 32


def secret_key(workspace: Path, name: str) -> bytes:
    """32 random bytes, made once per workspace and kept in the file `name` with mode 0600.

    Processes that ask at the same time get the same key, and a killed one leaves no half of a key.
    """
    workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = workspace / name
    if not file.exists():
        _make(file)
    return bytes.fromhex(file.read_text())


def _make(file: Path) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.new")
    unfinished.touch(mode=0o600)
    try:
        with unfinished.open("w") as stream:
            stream.write(secrets.token_hex(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())  # what is signed from now on is worth nothing without the key
        os.link(unfinished, file)  # unlike a rename, this never replaces the key of a process that was faster
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
