"""Data versions after forgetting: verified by their seal, shown with what is gone, never repeated as they were."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tuneloop.lineage.lineage_examples import record, write_round, write_version
from tests.tuneloop.workflows.forgetting.forgetter import forget
from tuneloop.data.snapshots import load_manifest
from tuneloop.lineage.lineage import model_lineage
from tuneloop.lineage.repetition_checks import check_data
from tuneloop.recipes import Data, Model, Recipe, Source
from tuneloop.records import Message, Record
from tuneloop.registry.known_rounds import known_rounds

RECIPE = Recipe(name="desk", data=Data(sources=(Source(name="desk", path="desk.jsonl"),)), model=Model(base="none"))
OTHERS = (("train", record("r1")), ("test", record("r2", 2)), ("validation", record("r3", 3)))


@pytest.fixture
def version(tmp_path):
    row = Record("gone", (Message("user", "a gossamer whistle"), Message("assistant", "Here.")), "desk", 4)
    (tmp_path / "desk.jsonl").touch()
    return write_version(tmp_path / "ws", [*OTHERS, ("train", row)], rows={"train": 2, "test": 1, "validation": 1})


def finding(root, version) -> Any:
    return check_data(root / "ws", version, RECIPE, lambda _: "")


def test_a_version_that_lost_rows_is_verified_by_its_seal_and_cannot_be_repeated_exactly(tmp_path, version):
    assert finding(tmp_path, version).state == "same"

    forget(tmp_path, "gossamer whistle")

    found = finding(tmp_path, version)
    assert (found.state, "1 rows" in found.text, "cannot be repeated exactly" in found.text) == ("differs", True, True)


def test_a_version_that_was_changed_besides_is_told_apart(tmp_path, version):
    forget(tmp_path, "gossamer whistle")
    folder = tmp_path / "ws" / "data" / version
    (folder / "train.parquet").write_bytes((folder / "test.parquet").read_bytes())
    assert finding(tmp_path, version).state == "blocking"


def test_who_writes_more_forgotten_rows_into_a_manifest_breaks_its_seal(tmp_path, version):
    forget(tmp_path, "gossamer whistle")
    file = tmp_path / "ws" / "data" / version / "manifest.json"
    file.write_text(file.read_text().replace('"rows": {\n      "train": 1', '"rows": {\n      "train": 9'))
    assert load_manifest(file.parent).forgotten.rows == {"train": 9}
    assert finding(tmp_path, version).state == "blocking"


def test_a_second_request_adds_to_the_first(tmp_path, version):
    forget(tmp_path, "gossamer whistle")
    forget(tmp_path, "r3")
    assert load_manifest(tmp_path / "ws" / "data" / version).forgotten.rows == {"train": 1, "validation": 1}
    assert finding(tmp_path, version).state == "differs"


def test_a_models_lineage_says_how_many_rows_it_saw_that_are_forgotten(tmp_path, version):
    round_ = write_round(tmp_path / "ws", 1, version)
    forget(tmp_path, "gossamer whistle")
    story = model_lineage(tmp_path / "ws", round_, known_rounds(tmp_path / "ws"), lambda _: "", rows=True)
    assert story.data.forgotten == {"train": 1}
    assert [row.id for row in story.rows] == ["r1"]
