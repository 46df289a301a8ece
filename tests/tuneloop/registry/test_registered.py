"""What was deleted of a finished round is told, so that the cycle can make it again."""

from __future__ import annotations

import shutil

import pytest

from tests.tuneloop.registry.registered import RECIPE, Desk, hash_of
from tuneloop.files import file_digests
from tuneloop.registry.model_versions import lost_of, version_rows
from tuneloop.registry.rounds import load_rounds


@pytest.fixture
def desk(tmp_path):
    found = Desk(tmp_path)
    found.judged(1)
    found.judged(2)
    return found


def lost(desk, round_):
    return lost_of(round_, desk.registry.versions(RECIPE))


def test_a_version_that_was_deleted_is_missed_and_its_model_too_where_that_is_gone(desk):
    first, second = load_rounds(desk.workspace, RECIPE)
    assert lost(desk, first) is None
    desk.registry.delete("1")
    assert lost(desk, first) == "version"
    assert lost(desk, second) is None
    shutil.rmtree(desk.workspace / "models/a1")
    assert lost(desk, first) == "model"


def test_a_model_that_was_deleted_from_the_disk_alone_is_not_made_again(desk):
    first, _ = load_rounds(desk.workspace, RECIPE)
    shutil.rmtree(desk.workspace / "models/m1")
    assert lost(desk, first) is None


def test_a_version_whose_files_changed_is_not_verified_and_the_file_is_named(desk):
    (desk.workspace / "models/a1/adapter_model.safetensors").write_text("evil")
    rows = version_rows(
        desk.registry.versions(RECIPE), load_rounds(desk.workspace, RECIPE), recipe=RECIPE, key=desk.key,
        hash_of=hash_of, digests_of=file_digests,
    )  # fmt: skip
    assert [(row["version"], row["verdict"]) for row in rows] == [("2", "verified"), ("1", "files changed")]
    assert rows[1]["files"] == [f"adapter: adapter_model.safetensors changed (in {desk.workspace / 'models/a1'})"]
