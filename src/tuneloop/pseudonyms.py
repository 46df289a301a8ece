"""The workspace's secret key: what people's names and ids are hashed with, so that one person stays one placeholder."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

KEY_FILE = "pseudonyms.key"


def pseudonym_key(workspace: Path) -> bytes:
    """32 random bytes, made once per workspace and kept in a file of mode 0600.

    Whoever has the key can test a guess at a name; whoever deletes it gets other placeholders from then on.
    """
    workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = workspace / KEY_FILE
    if not file.exists():
        unfinished = workspace / f".{KEY_FILE}.{os.getpid()}.new"
        unfinished.touch(mode=0o600)
        unfinished.write_text(secrets.token_hex(32))
        try:
            os.link(unfinished, file)  # unlike a rename, this never replaces the key of a process that was faster
        except FileExistsError:
            pass
        finally:
            unfinished.unlink()
    return bytes.fromhex(file.read_text())
