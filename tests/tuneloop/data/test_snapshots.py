from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.data.rows import a_record
from tuneloop.data.snapshots import latest_version, load_clusters, load_manifest, load_rows, write_snapshot
from tuneloop.errors import DataError
from tuneloop.records import Rejection, Split

SPLITS: dict[Split, Any] = {
    "train": [(a_record("kettle ☕", id="a"), "c1")],
    "validation": [],
    "test": [(a_record("lamp", id="b"), "c2")],
}
BAD = Rejection("pool", 3, None, "broken_json", "at column 1", raw="{")


def write(workspace: Path, splits: dict[Split, Any] | None = None, **more: Any) -> Path:
    usual: dict[str, Any] = {"quarantine": [BAD], "config": {"salt": "s"}, "manifest": {"recipe": "r"}}
    return write_snapshot(workspace, splits=splits or SPLITS, **{**usual, **more})


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = write(tmp_path)

    assert load_rows(folder / "train.parquet") == [SPLITS["train"][0][0]]
    assert load_rows(folder / "validation.parquet") == []
    assert load_clusters(folder / "test.parquet") == {"b": "c2"}
    assert json.loads((folder / "quarantine.jsonl").read_text())["reason"] == "broken_json"
    assert load_manifest(folder)["version"] == folder.name


def test_equal_content_is_one_version_and_is_not_written_twice(tmp_path: Path) -> None:
    folder = write(tmp_path)
    before = (folder / "train.parquet").stat().st_mtime_ns

    assert write(tmp_path) == folder
    assert (folder / "train.parquet").stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "data").iterdir()] == [folder.name]


def test_other_rows_splits_or_settings_are_another_version(tmp_path: Path) -> None:
    moved: dict[Split, Any] = {**SPLITS, "train": [], "validation": SPLITS["train"]}

    assert len({write(tmp_path), write(tmp_path, moved), write(tmp_path, config={"salt": "t"})}) == 3


def test_another_broken_line_is_the_same_version_with_a_newer_quarantine(tmp_path: Path) -> None:
    folder = write(tmp_path, manifest={"recipe": "r", "rows_in": 3, "created_at": "first"})

    later = {"recipe": "r", "rows_in": 4, "created_at": "second"}

    assert write(tmp_path, quarantine=[BAD, BAD], manifest=later) == folder
    assert len((folder / "quarantine.jsonl").read_text().splitlines()) == 2
    assert load_manifest(folder)["rows_in"] == 4
    assert load_manifest(folder)["created_at"] == "first"


def test_the_quarantine_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = write(tmp_path)

    assert stat.S_IMODE((folder / "quarantine.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_half_written_folder_is_never_seen_and_is_cleared_away_in_time(tmp_path: Path) -> None:
    killed = tmp_path / "data" / ".123456789012-abc"
    killed.mkdir(parents=True)
    (killed / "train.parquet").write_text("half")
    os.utime(killed, (time.time() - 7200,) * 2)

    write(tmp_path)

    assert not killed.exists()


def test_the_latest_version_of_a_recipe_is_known(tmp_path: Path) -> None:
    assert latest_version(tmp_path, "r") is None
    folder = write(tmp_path)
    write(tmp_path, config={"salt": "t"}, manifest={"recipe": "other"})

    assert latest_version(tmp_path, "r") == folder.name


def test_a_missing_version_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the validation"):
        load_rows(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="run the validation"):
        load_manifest(tmp_path)
