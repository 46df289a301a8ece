"""The champion is what the sealed trail says. What somebody does to registry, trail, record or files is a fault."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.champion import ChampionError, examine, require_champion
from tuneloop.registry.rounds import save_round
from tuneloop.registry.verdict_signature import HASH_TAG, SIGNATURE_TAG, signature_tags


@pytest.fixture
def backend(tmp_path):
    """Round 2 is the champion, 1 was it before; 3 passed and was never promoted."""
    found = RecordingBackend(tmp_path)
    found.promote(found.judged(1))
    found.promote(found.judged(2, against="hash-1"))
    found.judged(3, against="hash-2")
    return found


def champion(backend):
    return require_champion(backend.registry, backend.workspace, recipe=RECIPE, hash_of=hash_of)


def found_by(backend):
    return examine(backend.registry, backend.workspace, recipe=RECIPE, hash_of=hash_of)


def moved(backend):
    backend.registry.set_alias(RECIPE, "champion", "3")


def taken_away(backend):
    backend.registry.set_alias(RECIPE, "champion", None)


def deleted(backend):
    backend.registry.delete("2")


def renamed(backend):
    for version in ("1", "2", "3"):
        backend.registry.delete(version)


def hash_changed(backend):
    backend.registry.set_tags(RECIPE, "2", {"model_hash": "hash-3", "served_hash": "hash-3"})


def sent_elsewhere(backend):
    backend.registry.set_tags(RECIPE, "2", {"served_path": "/tmp/evil"})


def signature_taken(backend):
    backend.registry.set_tags(RECIPE, "2", {SIGNATURE_TAG: "", HASH_TAG: ""})


def seal_forged(backend):
    backend.registry.set_tags(RECIPE, "3", {"promotion_seal": "f" * 64})


@pytest.mark.parametrize(
    ("attack", "said"),
    [
        (moved, "the alias `champion` names version 3, and no promotion made it so"),
        (taken_away, "the alias `champion` was taken away"),
        (deleted, "version 2 was deleted"),
        (renamed, "there is no model desk with a version in it: it was renamed or deleted"),
        (hash_changed, "model_hash, served_hash of version 2 say something else than its round"),
        (sent_elsewhere, "served_path of version 2 say something else than its round"),
        (signature_taken, "the verdict's signature of version 2 say something else than its round"),
        (seal_forged, "1 changes that the registry knows of are missing from the trail"),
    ],
)
def test_a_registry_that_says_something_else_than_the_trail_is_a_fault_and_nothing_is_promoted(backend, attack, said):
    assert champion(backend)["version"] == "2"
    third = backend.judged(4, against="hash-2")
    attack(backend)
    if attack is renamed:
        backend.registry.delete("4")
    before = backend.registry.aliases()
    assert found_by(backend).registry == [said]
    with pytest.raises(ChampionError) as told:
        champion(backend)
    for part in (
        said,
        "The trail says: version 2 is the champion",
        "The registry says: ",
        "tuneloop models repair desk",
    ):
        assert part in str(told.value)
    for person in (None, "ada"):
        with pytest.raises(ChampionError):
            backend.promote(third, person=person)
    assert backend.registry.aliases() == before
    assert [e.to_version for e in AuditTrail(backend.workspace, RECIPE, backend.key).entries()] == ["1", "1", "2", "2"]


def test_before_the_first_promotion_an_alias_makes_no_champion(tmp_path):
    backend = RecordingBackend(tmp_path)
    backend.judged(1)
    assert champion(backend) is None
    backend.registry.set_alias(RECIPE, "champion", "1")
    with pytest.raises(ChampionError, match="The trail says: there is no champion"):
        champion(backend)


@pytest.mark.parametrize(
    ("folder", "name", "said"),
    [
        ("a2", "adapter_model.safetensors", "adapter: adapter_model.safetensors changed"),
        ("m2", "weights", "served: weights changed"),
        ("m2", "chat_template.jinja", "served: chat_template.jinja was added"),
        ("m2", "pytorch_model.bin", "served: pytorch_model.bin was added"),
    ],
)
def test_a_champion_whose_files_are_not_those_that_were_judged_is_refused_by_name(backend, folder, name, said):
    (backend.workspace / "models" / folder / name).write_text("evil")
    with pytest.raises(ChampionError, match=rf"{said} \(in .*{folder}\).*models rollback"):
        champion(backend)


def test_files_registry_and_record_changed_to_agree_are_refused_because_the_trail_holds_the_hashes(backend):
    (backend.workspace / "models/m2/weights").write_text("hash-9")
    backend.registry.set_tags(RECIPE, "2", {"model_hash": "hash-9", "served_hash": "hash-9"})
    assert found_by(backend).registry == ["model_hash, served_hash of version 2 say something else than its round"]
    record = backend.workspace / "rounds/desk/0002.json"
    record.write_text(record.read_text().replace("hash-2", "hash-9"))
    assert "is gone or about another model" in found_by(backend).files[0]


def test_a_record_sealed_for_other_files_is_refused(backend):
    """Not even with the key of the workspace's own: the trail's line names the very list."""
    from tuneloop.files import file_digests
    from tuneloop.registry.sealed_folders import seal_folders

    (backend.workspace / "models/a2/adapter_model.safetensors").write_text("evil")
    round_ = found_by(backend).round.model_copy(update={"folders": {}})
    save_round(backend.workspace, seal_folders(round_, key=backend.key, digests_of=file_digests, hash_of=hash_of))
    assert "is not the one that was sealed" in found_by(backend).files[0]


def test_an_edited_verdict_in_the_champions_record_is_refused(backend):
    record = backend.workspace / "rounds/desk/0002.json"
    record.write_text(record.read_text().replace('"as it came"', '"as I like it"'))
    assert found_by(backend).files == ["the verdict in the record of round 2 is not the one that was signed"]


def test_a_verdict_that_people_have_since_decided_is_the_champions_all_the_same(tmp_path):
    backend = RecordingBackend(tmp_path)
    round_ = backend.judged(1, "needs_review")
    backend.promote(round_, person="ada")
    decided = round_.model_copy(update={"verdict": round_.verdict.model_copy(update={"decision": "promote"})})
    save_round(backend.workspace, decided)
    backend.registry.set_tags(RECIPE, "1", signature_tags(decided.verdict, recipe=RECIPE, key=backend.key))
    assert champion(backend)["version"] == "1"


def test_where_the_champion_lies_is_the_records_to_say(backend):
    assert champion(backend)["served_path"] == str(backend.workspace / "models/m2")
    assert champion(backend)["served_hash"] == "hash-2"


def test_a_change_that_was_cut_off_is_explained_by_its_sealed_intent_and_finished(backend):
    trail = AuditTrail(backend.workspace, RECIPE, backend.key)
    lines = trail.file.read_bytes().splitlines(keepends=True)
    with trail.held():
        intent = trail.append(
            action="promote", step="intent", who="ada", because="x", from_version="2", to_version="3",
            previous_version="2", model_hash="hash-3", served_hash="hash-3", round=3,
            verdict_sha256=backend.registry.versions(RECIPE)[2].tags[HASH_TAG],
        )  # fmt: skip
    assert champion(backend)["version"] == "2"  # given up: the alias was never moved
    assert trail.entries()[-1].step == "abandoned"
    moved(backend)
    with pytest.raises(ChampionError):  # an intent that was given up explains nothing later
        champion(backend)
    assert len(lines) + 2 == len(trail.entries())
    assert intent.number == 5


def test_a_forged_intent_explains_nothing(backend):
    trail = AuditTrail(backend.workspace, RECIPE, backend.key)
    forged = json.loads(trail.file.read_bytes().splitlines()[2]) | {"number": 5, "to_version": "3", "round": 3}
    with trail.file.open("a") as stream:
        stream.write(json.dumps(forged) + "\n")
    moved(backend)
    with pytest.raises(ChampionError, match="does not hold together"):
        champion(backend)
    assert len(trail.entries()) == 5


def test_the_disk_is_not_read_where_only_registry_and_trail_are_asked(backend):
    shutil.rmtree(backend.workspace / "models/m2")
    found = examine(backend.registry, backend.workspace, recipe=RECIPE, hash_of=hash_of, digests_of=None)
    assert found.faults == []


def test_a_champion_of_an_older_release_is_still_one_and_is_checked_as_far_as_it_can_be(tmp_path):
    """Its round names no files, its line in the trail no hash but the model's."""
    backend = RecordingBackend(tmp_path)
    backend.promote(backend.judged(1, sealed=False))
    trail = AuditTrail(tmp_path, RECIPE, backend.key)
    as_older_release_wrote(trail)
    assert champion(backend)["version"] == "1"
    (tmp_path / "models/m1/weights").write_text("evil")
    assert "does not hold the model that was judged" in found_by(backend).files[0]


def as_older_release_wrote(trail: AuditTrail) -> None:
    entries, before = [], "0" * 64
    for entry in trail.entries():
        empty = {"format": None, "served_hash": None, "round": None, "folders_sha256": None, "before": before}
        plain = entry.model_copy(update=empty)
        entries.append(plain.model_copy(update={"seal": trail._seal(plain)}))
        before = entries[-1].seal
    trail.file.write_text("".join(e.model_dump_json() + "\n" for e in entries))
    trail.head_file.unlink()
    registry = json.loads((Path(trail.file).parents[1] / "registry.json").read_text())
    registry["versions"]["1"]["promotion_seal"] = entries[0].seal
    (Path(trail.file).parents[1] / "registry.json").write_text(json.dumps(registry))
