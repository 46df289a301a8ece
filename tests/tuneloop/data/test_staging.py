from __future__ import annotations

import stat
from pathlib import Path

from tests.tuneloop.data.rows import a_record
from tuneloop.data.staging import record_text, staging
from tuneloop.records import Rejection
from tuneloop.row_files import record_of

ROWS = [a_record(f"kettle {i} ☕", id=f"k{i}") for i in range(5)]
BAD = Rejection("pool", 3, None, "undecodable", "half a surrogate pair", raw="\ud800")


def test_rows_come_back_in_order_as_often_as_needed(tmp_path: Path) -> None:
    with staging(tmp_path) as place:
        place.add([record_text(r) for r in ROWS[:3]])
        place.add([record_text(r) for r in ROWS[3:]])
        place.reject(BAD)
        place.close()

        assert [record_of(t) for t in place.texts()] == ROWS
        assert [record_of(t) for t in place.texts()] == ROWS
        assert list(place.unreadable()) == [BAD]
        assert place.rows == 5


def test_nothing_staged_is_nothing_read(tmp_path: Path) -> None:
    with staging(tmp_path) as place:
        place.close()

        assert list(place.texts()) == []
        assert list(place.unreadable()) == []


def test_the_folder_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    with staging(tmp_path) as place:
        assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert list((tmp_path / "data").iterdir()) == []
