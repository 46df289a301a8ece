from __future__ import annotations

import stat
from pathlib import Path

from tuneloop.pseudonyms import KEY_FILE, pseudonym_key


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    key = pseudonym_key(tmp_path / "new")

    assert len(key) == 32
    assert pseudonym_key(tmp_path / "new") == key
    assert stat.S_IMODE((tmp_path / "new" / KEY_FILE).stat().st_mode) == 0o600
    assert pseudonym_key(tmp_path / "other") != key
