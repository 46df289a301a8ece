from __future__ import annotations

import multiprocessing
import stat
from functools import partial
from pathlib import Path

import pytest

from tuneloop.errors import DataError
from tuneloop.secret_keys import KEY_BYTES, secret_key


def test_processes_that_ask_at_the_same_time_get_the_same_key_and_leave_nothing_else(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        keys = set(pool.map(partial(secret_key, tmp_path), ["a.key"] * 16, chunksize=1))
    assert len(keys) == 1
    assert len(keys.pop()) == KEY_BYTES
    assert [file.name for file in tmp_path.iterdir()] == ["a.key"]


def test_each_name_has_a_key_of_its_own_that_only_the_owner_reads(tmp_path: Path) -> None:
    assert secret_key(tmp_path, "a.key") != secret_key(tmp_path, "b.key")
    assert stat.S_IMODE((tmp_path / "a.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"00" * 31, b"not a key", b"\xff" * 64, b"00" * 33])
def test_a_damaged_key_is_named_and_never_used_or_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.key"
    file.write_bytes(content)
    with pytest.raises(DataError, match=rf"the key {file} is damaged.*backup"):
        secret_key(tmp_path, "a.key")
    assert file.read_bytes() == content
