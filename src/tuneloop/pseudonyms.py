"""The workspace's secret key: what people's names and ids are hashed with, so that one person stays one placeholder."""

from __future__ import annotations

from pathlib import Path

from tuneloop.secret_keys import secret_key

KEY_FILE = "pseudonyms.key"


def pseudonym_key(workspace: Path) -> bytes:
    """32 random bytes, made once per workspace and kept in a file of mode 0600.

    Whoever has the key can test a guess at a name; whoever deletes it gets other placeholders from then on.
    """
    return secret_key(workspace, KEY_FILE)
