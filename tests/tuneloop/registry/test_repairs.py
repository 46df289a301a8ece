from __future__ import annotations

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tests.tuneloop.registry.test_champion import (
    champion,
    deleted,
    found_by,
    hash_changed,
    moved,
    renamed,
    seal_forged,
    sent_elsewhere,
    signature_taken,
    taken_away,
)
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.promotion_checks import PromotionRefused
from tuneloop.registry.promotions import roll_back
from tuneloop.registry.repairs import repair_from_registry, repair_from_trail
from tuneloop.registry.rounds import load_rounds


@pytest.fixture
def backend(tmp_path):
    """Round 2 is the champion, 1 was it before; 3 passed and was never promoted; 4 was refused."""
    found = RecordingBackend(tmp_path)
    found.promote(found.judged(1))
    found.promote(found.judged(2, against="hash-1"))
    found.judged(3, against="hash-2")
    found.judged(4, "reject")
    return found


def restore(backend, because="an alias was moved"):
    return repair_from_trail(
        backend.registry, backend.workspace, recipe=RECIPE, because=because, person="ada", hash_of=hash_of
    )


def adopt(backend, because="we know"):
    return repair_from_registry(
        backend.registry, backend.workspace, recipe=RECIPE, because=because, person="ada", hash_of=hash_of
    )


def trail_of(backend):
    return AuditTrail(backend.workspace, RECIPE, backend.key)


@pytest.mark.parametrize(
    "attack", [moved, taken_away, deleted, renamed, hash_changed, sent_elsewhere, signature_taken, seal_forged]
)
def test_the_registry_is_restored_from_the_trail_and_the_loop_goes_on(backend, attack):
    attack(backend)
    done = restore(backend)
    assert (done.action, done.who, done.step, done.model_hash) == ("repair", "ada", "done", "hash-2")
    assert found_by(backend).faults == []
    assert champion(backend)["version"] == backend.registry.aliases()["champion"] == done.to_version
    assert champion(backend)["model_hash"] == "hash-2"
    assert restore(backend) is None
    backend.promote(backend.judged(7, against="hash-2"))
    assert champion(backend)["model_hash"] == "hash-7"


@pytest.mark.parametrize("attack", [moved, deleted, renamed])
def test_a_rollback_after_a_repair_goes_back_to_the_champion_before(backend, attack):
    attack(backend)
    restore(backend)
    done = roll_back(backend.registry, backend.workspace, recipe=RECIPE, because="bad", person="ada", hash_of=hash_of)
    assert done.model_hash == "hash-1"
    assert champion(backend)["model_hash"] == "hash-1"


def test_a_deleted_champion_is_registered_under_a_new_number_that_its_round_takes(backend):
    deleted(backend)
    done = restore(backend)
    assert (done.from_version, done.to_version) == ("2", "5")
    assert [r.model_version for r in load_rounds(backend.workspace, RECIPE) if r.number == 2] == ["5"]
    assert backend.registry.aliases()["previous"] == "1"


def test_where_nothing_was_promoted_the_alias_is_taken_away_again(tmp_path):
    backend = RecordingBackend(tmp_path)
    backend.judged(1)
    backend.registry.set_alias(RECIPE, "champion", "1")
    assert restore(backend).to_version is None
    assert "champion" not in backend.registry.aliases()
    assert champion(backend) is None
    backend.promote(backend.judged(2))
    assert champion(backend)["version"] == "2"


def test_a_champion_whose_files_changed_is_not_restored(backend):
    moved(backend)
    (backend.workspace / "models/a2/adapter_model.safetensors").write_text("evil")
    with pytest.raises(PromotionRefused, match=r"adapter_model.safetensors changed.*models rollback"):
        restore(backend)
    assert backend.registry.aliases()["champion"] == "3"


def test_nothing_is_restored_from_a_trail_that_is_not_whole(backend):
    moved(backend)
    trail_of(backend).file.write_bytes(b"")
    with pytest.raises(PromotionRefused, match=r"does not hold together itself.*--from registry"):
        restore(backend)


def test_the_registrys_champion_is_adopted_if_it_passes_all_checks(backend):
    moved(backend)
    done = adopt(backend)
    assert (done.action, done.from_version, done.to_version, done.because) == ("adopt", "2", "3", "we know")
    assert champion(backend)["version"] == "3"
    assert adopt(backend) is None
    back = roll_back(backend.registry, backend.workspace, recipe=RECIPE, because="bad", person="ada", hash_of=hash_of)
    assert back.to_version == "2"


def stranger(backend):
    """A version that no round of this workspace made."""
    backend.registry.add("9", {"model_hash": "hash-9", "round": "3", "decision": "promote"})
    backend.registry.set_alias(RECIPE, "champion", "9")


def copied_signature(backend):
    """One with the tags of a version that passed, but for where it lies."""
    tags = backend.registry.versions(RECIPE)[2].tags
    backend.registry.add("9", {**tags, "served_path": "/tmp/evil"})
    backend.registry.set_alias(RECIPE, "champion", "9")


def refused(backend):
    backend.registry.set_alias(RECIPE, "champion", "4")


def overwritten(backend):
    moved(backend)
    (backend.workspace / "models/m3/weights").write_text("evil")


@pytest.mark.parametrize("attack", [stranger, copied_signature, refused, overwritten])
def test_a_version_that_does_not_pass_is_never_adopted(backend, attack):
    attack(backend)
    before = trail_of(backend).file.read_bytes()
    with pytest.raises(PromotionRefused):
        adopt(backend)
    assert trail_of(backend).file.read_bytes() == before
    restore(backend)
    assert champion(backend)["version"] == "2"


@pytest.mark.parametrize(("because", "person"), [("", "ada"), (" ", "ada"), ("why", ""), ("why", "gate")])
def test_adopting_takes_a_person_with_a_reason(backend, because, person):
    moved(backend)
    with pytest.raises(PromotionRefused):
        repair_from_registry(
            backend.registry, backend.workspace, recipe=RECIPE, because=because, person=person, hash_of=hash_of
        )


def test_a_champion_that_was_taken_away_on_purpose_leaves_none_and_can_be_gone_back_to(backend):
    taken_away(backend)
    done = adopt(backend, because="it must not be served any more")
    assert (done.action, done.from_version, done.to_version) == ("retire", "2", None)
    assert champion(backend) is None
    backend.promote(backend.judged(5))
    assert champion(backend)["version"] == "5"
    back = roll_back(backend.registry, backend.workspace, recipe=RECIPE, because="bad", person="ada", hash_of=hash_of)
    assert back.to_version == "2"


def lost(trail):
    trail.file.unlink()


def cut_off(trail):
    trail.file.write_bytes(b"".join(trail.file.read_bytes().splitlines(keepends=True)[:2]))


def unreadable(trail):
    trail.file.write_text("{}\n")


def without_count(trail):
    trail.head_file.unlink()


@pytest.mark.parametrize("damage", [lost, cut_off, unreadable, without_count])
def test_a_new_trail_begins_with_the_registrys_champion_where_the_old_one_is_not_whole(backend, damage):
    trail = trail_of(backend)
    damage(trail)
    done = adopt(backend)
    assert (done.number, done.to_version) == (2, "2")
    assert "a new trail, since the old one is not whole" in done.because
    assert len(trail.others()) == (damage is not lost)
    assert found_by(backend).faults == []
    backend.promote(backend.judged(5, against="hash-2"))
    assert champion(backend)["version"] == "5"
