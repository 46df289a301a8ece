from __future__ import annotations

import json
import shutil

import pytest

from tests.tuneloop.registry.registered import RecordingBackend, hash_of
from tuneloop.errors import ModelError
from tuneloop.files import contents_hash, file_digests
from tuneloop.ports import ARTEFACT_TAG
from tuneloop.registry.sealed_folders import folder_faults, folders_hash, is_there, seal_folders
from tuneloop.results import Round


@pytest.fixture
def backend(tmp_path):
    return RecordingBackend(tmp_path)


def sealed(backend, round_):
    return seal_folders(round_, key=backend.key, digests_of=file_digests, hash_of=hash_of)


def faults(backend, round_, **tags):
    return folder_faults(round_, key=backend.key, digests_of=file_digests, hash_of=hash_of, tags=tags)


def test_all_files_of_all_folders_are_sealed_and_a_second_time_changes_nothing(backend):
    round_ = backend.judged(1)
    assert {use: list(files) for use, files in round_.folders.items()} == {
        "served": ["weights"], "adapter": ["adapter_model.safetensors"],
    }  # fmt: skip
    (backend.workspace / "models/a1/adapter_model.safetensors").write_text("tampered with")
    assert sealed(backend, round_) == round_


@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        ("a1", "adapter_model.safetensors", "adapter: adapter_model.safetensors changed"),
        ("a1", "payload.bin", "adapter: payload.bin was added"),
        ("m1", "modeling.py", "served: modeling.py was added"),
        ("m1", "weights", "served: weights changed"),
    ],
)
def test_what_is_done_to_a_folder_is_named_with_its_use_and_place(backend, folder, name, said):
    round_ = backend.judged(1)
    assert faults(backend, round_) == []
    place = backend.workspace / "models" / folder
    (place / name).write_text("evil")
    assert faults(backend, round_) == [f"{said} (in {place})"]


def test_a_folder_that_is_gone_is_told(backend):
    round_ = backend.judged(1)
    assert is_there(round_)
    shutil.rmtree(backend.workspace / "models/a1")
    assert not is_there(round_)
    assert faults(backend, round_) == [f"adapter: the folder is gone (in {backend.workspace / 'models/a1'})"]


def test_a_list_of_files_that_was_edited_along_with_the_files_shows(backend):
    round_ = backend.judged(1)
    (backend.workspace / "models/m1/weights").write_text("evil")
    content = json.loads(round_.model_dump_json())
    content["folders"]["served"] = file_digests(backend.workspace / "models/m1")
    (fault,) = faults(backend, Round.model_validate(content))
    assert "the list of files in round 1 was changed" in fault


def test_a_seal_of_another_model_is_none_of_this_one(backend):
    first, second = backend.judged(1), backend.judged(2)
    swapped = first.model_copy(update={"folders": second.folders, "folders_seal": second.folders_seal})
    assert "was changed" in faults(backend, swapped)[0]


def test_what_is_not_what_was_judged_or_trained_is_not_sealed(backend):
    round_ = backend.judged(1, sealed=False)
    (backend.workspace / "models/m1/weights").write_text("evil")
    with pytest.raises(ModelError, match="does not hold the model that was judged"):
        sealed(backend, round_)
    round_ = backend.judged(2, sealed=False)
    adapter = backend.workspace / "models/a2"
    trained = round_.training.model_copy(update={"adapter_hash": contents_hash(file_digests(adapter))})
    round_ = round_.model_copy(update={"training": trained})
    assert sealed(backend, round_).folders
    (adapter / "adapter_model.safetensors").write_text("evil")
    with pytest.raises(ModelError, match=r"does not hold what was trained.*tuneloop train"):
        sealed(backend, round_)


def test_a_link_in_place_of_a_folder_is_not_sealed(backend):
    round_ = backend.judged(1, sealed=False)
    (backend.workspace / "models/m1/more").symlink_to(backend.workspace)
    with pytest.raises(ModelError, match="served: more is a link to a folder"):
        sealed(backend, round_)


def test_a_round_of_an_older_release_is_held_against_its_verdict_and_the_registrys_tag(backend):
    round_ = backend.judged(1, sealed=False)
    adapter = backend.workspace / "models/a1"
    tag = {ARTEFACT_TAG: contents_hash(file_digests(adapter))}
    assert faults(backend, round_) == faults(backend, round_, **tag) == []
    (adapter / "adapter_model.safetensors").write_text("evil")
    assert faults(backend, round_, **tag) == [f"adapter: {adapter} does not hold what was registered"]
    (backend.workspace / "models/m1/weights").write_text("evil")
    assert "does not hold the model that was judged" in faults(backend, round_)[0]
    assert folders_hash(round_) is None


def test_a_record_that_was_sent_to_other_folders_shows_and_one_whose_workspace_has_moved_does_not(backend, tmp_path):
    round_ = backend.judged(1)
    there = shutil.copytree(backend.workspace / "models", tmp_path / "elsewhere")
    paths = {"model": str(there / "m1"), "adapter": str(there / "a1")}
    moved = round_.model_copy(update={"training": round_.training.model_copy(update=paths)})
    assert faults(backend, moved) == []
    (there / "m1" / "weights").write_text("evil")
    assert faults(backend, moved) == [f"served: weights changed (in {there / 'm1'})"]
    sent = round_.model_copy(update={"served_path": str(there / "a1")})
    assert faults(backend, sent) == ["the record of round 1 names other folders than were sealed"]
