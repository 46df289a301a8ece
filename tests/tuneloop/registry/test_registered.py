"""What was deleted of a finished round is told, so that the cycle can make it again."""

from __future__ import annotations

import shutil

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tuneloop.files import file_digests
from tuneloop.registry.model_versions import lost_of, version_rows
from tuneloop.registry.rounds import load_rounds


@pytest.fixture
def backend(tmp_path):
    found = RecordingBackend(tmp_path)
    found.judged(1)
    found.judged(2)
    return found


def lost(backend, round_):
    return lost_of(round_, backend.registry.versions(RECIPE))


def test_a_version_that_was_deleted_is_missed_and_its_model_too_where_that_is_gone(backend):
    first, second = load_rounds(backend.workspace, RECIPE)
    assert lost(backend, first) is None
    backend.registry.delete("1")
    assert lost(backend, first) == "version"
    assert lost(backend, second) is None
    shutil.rmtree(backend.workspace / "models/a1")
    assert lost(backend, first) == "model"


def test_a_model_that_was_deleted_from_the_disk_alone_is_not_made_again(backend):
    first, _ = load_rounds(backend.workspace, RECIPE)
    shutil.rmtree(backend.workspace / "models/m1")
    assert lost(backend, first) is None


def test_a_version_whose_files_changed_is_not_verified_and_the_file_is_named(backend):
    (backend.workspace / "models/a1/adapter_model.safetensors").write_text("evil")
    rows = version_rows(
        backend.registry.versions(RECIPE), load_rounds(backend.workspace, RECIPE), recipe=RECIPE, key=backend.key,
        hash_of=hash_of, digests_of=file_digests,
    )  # fmt: skip
    assert [(row["version"], row["verdict"]) for row in rows] == [("2", "verified"), ("1", "files changed")]
    assert rows[1]["files"] == [f"adapter: adapter_model.safetensors changed (in {backend.workspace / 'models/a1'})"]
