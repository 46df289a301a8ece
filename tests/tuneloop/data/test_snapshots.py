from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.data.rows import a_record
from tuneloop.data.snapshots import (
    PAGE,
    find_manifest,
    list_manifests,
    load_manifest,
    read_quarantine,
    require_manifests,
    write_snapshot,
)
from tuneloop.data.staging import record_text
from tuneloop.errors import DataError
from tuneloop.records import Record, Rejection
from tuneloop.results import DataManifest
from tuneloop.row_files import Row, load_clusters, load_rows

KETTLE, LAMP = a_record("kettle ☕", id="a"), a_record("lamp", id="b")
BAD = Rejection("pool", 3, None, "broken_json", "at column 1", raw="{")


def row(split: Any, record: Record, cluster: str) -> Row:
    return split, record.id, cluster, record_text(record)


ROWS = (row("train", KETTLE, "c1"), row("test", LAMP, "c2"))


def manifest_of(version: str, recipe: str = "r", **more: Any) -> DataManifest:
    usual: dict[str, Any] = {
        "version": version,
        "recipe": recipe,
        "created_at": "2026-11-22T00:00:00Z",
        "parents": [],
        "tuneloop": "0",
        "commit": None,
        "config": {},
        "columns": {},
        "sources": [],
        "review_rows": 0,
        "rows_in": 3,
        "rows_quarantined": 1,
        "rows_unused": 0,
        "rows": {},
        "reasons": {},
        "steps": [],
        "checks": [],
    }
    return DataManifest(**{**usual, **more})


def first(before: DataManifest | None) -> dict[str, str]:
    return {"created_at": before.created_at} if before else {}


def write(
    workspace: Path,
    rows: Sequence[Row] = ROWS,
    quarantine: Sequence[Rejection] = (BAD,),
    salt: str = "s",
    **about: Any,
) -> Path:
    return write_snapshot(
        workspace,
        rows=rows,
        quarantine=quarantine,
        config={"salt": salt},
        describe=lambda version, before: manifest_of(version, **{**about, **first(before)}),
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = write(tmp_path)

    assert load_rows(folder / "train.parquet") == [KETTLE]
    assert load_rows(folder / "validation.parquet") == []
    assert load_clusters(folder / "test.parquet") == {"b": "c2"}
    assert list(read_quarantine(folder)) == [BAD]
    assert load_manifest(folder).version == folder.name


def test_equal_content_is_one_version_and_is_not_written_twice(tmp_path: Path) -> None:
    folder = write(tmp_path)
    before = (folder / "train.parquet").stat().st_mtime_ns

    assert write(tmp_path) == folder
    assert (folder / "train.parquet").stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "data").iterdir()] == [folder.name]


def test_other_rows_splits_clusters_or_settings_are_another_version(tmp_path: Path) -> None:
    others = (
        write(tmp_path),
        write(tmp_path, (row("validation", KETTLE, "c1"), ROWS[1])),
        write(tmp_path, (row("train", KETTLE, "c3"), ROWS[1])),
        write(tmp_path, ROWS[1:]),
        write(tmp_path, salt="t"),
    )

    assert len(set(others)) == 5


def test_another_broken_line_is_the_same_version_with_a_newer_quarantine(tmp_path: Path) -> None:
    folder = write(tmp_path, created_at="first", rows_in=3)
    (folder / PAGE).write_text("<p>drawn from the first manifest</p>")

    assert write(tmp_path, quarantine=[BAD, BAD], created_at="second", rows_in=4) == folder
    assert not (folder / PAGE).exists()
    assert len(list(read_quarantine(folder))) == 2
    assert (load_manifest(folder).rows_in, load_manifest(folder).created_at) == (4, "first")


def test_the_quarantine_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = write(tmp_path)

    assert stat.S_IMODE((folder / "quarantine.jsonl").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_half_written_folder_is_never_seen_and_is_cleared_away_in_time(tmp_path: Path) -> None:
    killed, at_work = tmp_path / "data" / ".version-abc", tmp_path / "data" / ".staging-def"
    for folder, age in ((killed, 7200), (at_work, 60)):
        folder.mkdir(parents=True)
        (folder / "train.parquet").write_text("half")
        for path in (folder / "train.parquet", folder):
            os.utime(path, (time.time() - age,) * 2)

    write(tmp_path)

    assert not killed.exists()
    assert at_work.exists()


def test_rows_that_stop_coming_leave_nothing_behind(tmp_path: Path) -> None:
    def broken() -> Any:
        yield ROWS[0]
        raise DataError("the source went away")

    with pytest.raises(DataError, match="went away"):
        write(tmp_path, broken())
    assert list((tmp_path / "data").iterdir()) == []


def test_the_latest_version_of_a_recipe_is_the_one_that_was_made_last(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no data versions of r"):
        require_manifests(tmp_path, "r")
    first = write(tmp_path)
    second = write(tmp_path, salt="t")
    write(tmp_path, salt="u", recipe="other")
    assert find_manifest(require_manifests(tmp_path, "r")).version == second.name

    write(tmp_path)

    assert find_manifest(require_manifests(tmp_path, "r")).version == first.name
    assert [m.version for m in list_manifests(tmp_path, "r")] == [second.name, first.name]


def test_a_version_of_another_release_is_passed_over(tmp_path: Path) -> None:
    folder = write(tmp_path)
    old = tmp_path / "data" / "0123456789ab"
    old.mkdir()
    (old / "manifest.json").write_text(json.dumps({"version": "0123456789ab", "recipe": "r"}))

    assert find_manifest(require_manifests(tmp_path, "r")).version == folder.name
    with pytest.raises(DataError, match="another release"):
        load_manifest(old)


def test_a_missing_version_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the validation"):
        load_rows(tmp_path / "train.parquet")
    with pytest.raises(DataError, match="run the validation"):
        load_manifest(tmp_path)
