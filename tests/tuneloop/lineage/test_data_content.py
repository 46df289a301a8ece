from __future__ import annotations

from pathlib import Path

import pytest

from tests.tuneloop.lineage.lineage_examples import record, write_version
from tuneloop.errors import DataError
from tuneloop.lineage.lineage import manifest_of
from tuneloop.lineage.repetition_checks import content_version


def content(folder: Path) -> str:
    manifest = manifest_of(folder, [])
    assert manifest is not None
    return content_version(folder, manifest)


@pytest.mark.parametrize("splits", [("train", "test"), ("train", "private")])
def test_a_versions_name_is_found_again_from_its_rows(tmp_path: Path, splits: tuple[str, ...]) -> None:
    rows = [(split, record(f"{split}-ü-{n}", n)) for split in splits for n in range(1, 4)]
    version = write_version(tmp_path, rows)
    assert content(tmp_path / "data" / version) == version


def test_rows_of_another_version_have_another_name(tmp_path: Path) -> None:
    one, two = (write_version(tmp_path, [("train", record(name))]) for name in ("r1", "r2"))
    stolen = (tmp_path / "data" / two / "train.parquet").read_bytes()
    (tmp_path / "data" / one / "train.parquet").write_bytes(stolen)
    assert content(tmp_path / "data" / one) == two


@pytest.mark.parametrize("split", ["train", "private"])
def test_rows_that_are_gone_are_named(tmp_path: Path, split: str) -> None:
    rows = [("train", record("r1")), ("private", record("r2"))]
    folder = tmp_path / "data" / write_version(tmp_path, rows, rows={"train": 1, "private": 1})
    (folder / f"{split}.parquet").unlink()
    with pytest.raises(DataError, match=rf"{split}.parquet are gone"):
        content(folder)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "data" / write_version(tmp_path, [("train", record("r1"))])
    (folder / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(DataError, match="cannot be read"):
        content(folder)
