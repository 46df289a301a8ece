from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.champion import ChampionError, examine, heal
from tuneloop.registry.model_versions import version_tags
from tuneloop.registry.promotion_checks import PromotionRefused, StaleVerdict, check_same_verdict
from tuneloop.registry.promotions import anchors, mark_registered, promote, roll_back
from tuneloop.registry.verdict_signature import signature_tags


@pytest.fixture
def backend(tmp_path):
    return RecordingBackend(tmp_path)


def trail_of(backend: RecordingBackend) -> AuditTrail:
    return AuditTrail(backend.workspace, RECIPE, backend.key)


def back(backend: RecordingBackend, because: str = "it answers badly"):
    return roll_back(
        backend.registry, backend.workspace, recipe=RECIPE, because=because, person="ada", hash_of=hash_of
    )  # fmt: skip


def three_champions(backend: RecordingBackend):
    rounds = [backend.judged(1), backend.judged(2, against="hash-1"), backend.judged(3, against="hash-2")]
    for round_ in rounds:
        backend.promote(round_)
    return rounds


def test_a_promotion_moves_the_aliases_and_leaves_two_sealed_lines(backend):
    first, second = backend.judged(1), backend.judged(2, against="hash-1")
    backend.promote(first)
    done = backend.promote(second, because="all rules hold")
    assert backend.registry.aliases() == {"champion": "2", "previous": "1"}
    lines = trail_of(backend).entries()
    assert [(e.step, e.to_version, e.from_version) for e in lines] == [
        ("intent", "1", None), ("done", "1", None), ("intent", "2", "1"), ("done", "2", "1"),
    ]  # fmt: skip
    assert lines[-1] == done
    assert (done.who, done.because, done.intent, done.model_hash) == ("gate", "all rules hold", 3, "hash-2")
    assert trail_of(backend).faults(lines, anchors=anchors(backend.registry.versions(RECIPE))) == []


def test_promoting_the_champion_again_changes_nothing(backend):
    round_ = backend.judged(1)
    first = backend.promote(round_)
    assert backend.promote(round_) == first
    assert backend.promote(round_, person="ada") is None
    assert len(trail_of(backend).entries()) == 2


@pytest.mark.parametrize("person", [None, "ada"])
def test_what_the_gate_refused_is_promoted_by_nobody(backend, person):
    with pytest.raises(PromotionRefused, match="the gate refused it"):
        backend.promote(backend.judged(1, "reject"), person=person)
    assert "champion" not in backend.registry.aliases()
    assert trail_of(backend).entries() == []


def test_what_needs_review_takes_a_person_with_a_reason(backend):
    round_ = backend.judged(1, "needs_review")
    assert backend.registry.aliases() == {"challenger": "1"}
    with pytest.raises(PromotionRefused, match="a person has to decide"):
        backend.promote(round_)
    with pytest.raises(PromotionRefused, match="needs a reason"):
        backend.promote(round_, person="ada", because="  ")
    with pytest.raises(PromotionRefused, match="TUNELOOP_USER"):
        backend.promote(round_, person="gate")
    assert backend.promote(round_, person="ada").who == "ada"
    assert backend.registry.aliases() == {"champion": "1"}


def test_a_verdict_that_was_changed_is_refused(backend):
    round_ = backend.judged(1, "reject")
    forged = round_.model_copy(update={"verdict": round_.verdict.model_copy(update={"decision": "promote"})})
    with pytest.raises(PromotionRefused, match="not the one that was signed"):
        backend.promote(forged, person="ada")


def test_a_verdict_of_another_model_is_refused(backend):
    round_ = backend.judged(1)
    backend.registry.set_tags(RECIPE, "1", {"served_hash": "other"})
    with pytest.raises(PromotionRefused, match="about another model"):
        backend.promote(round_)


def test_a_model_that_changed_on_the_disk_is_refused(backend):
    round_ = backend.judged(1)
    (backend.workspace / "models/m1/weights").write_text("tampered with")
    with pytest.raises(PromotionRefused, match=r"not what was judged: served: weights changed \(in"):
        backend.promote(round_)
    assert trail_of(backend).entries() == []


def test_a_model_that_is_gone_is_refused(backend):
    round_ = backend.judged(1)
    shutil.rmtree(backend.workspace / "models/m1")
    with pytest.raises(PromotionRefused, match="served: the folder is gone"):
        backend.promote(round_)


def test_a_version_without_a_round_or_a_signature_is_refused(backend):
    round_ = backend.judged(1)
    with pytest.raises(PromotionRefused, match="not in this workspace"):
        backend.promote(round_.model_copy(update={"verdict": None}))
    backend.registry.add("1", {"model_hash": "hash-1", "round": "1"})
    with pytest.raises(PromotionRefused, match="never signed"):
        backend.promote(round_)


def test_a_version_that_is_not_there_is_named_with_those_that_are(backend):
    backend.judged(1)
    with pytest.raises(PromotionRefused, match=r"no version 7; there are: 1"):
        backend.promote(backend.judged(2).model_copy(update={"number": 7}))


def test_the_gate_does_not_act_on_a_verdict_about_an_older_champion_but_a_person_may(backend):
    first, second, third = backend.judged(1), backend.judged(2, against="hash-1"), backend.judged(3, against="hash-1")
    backend.promote(first)
    backend.promote(second)
    with pytest.raises(StaleVerdict, match="compared with champion hash-1, and now it is hash-2"):
        backend.promote(third)
    backend.promote(third, person="ada")
    assert backend.registry.aliases()["champion"] == "3"


def test_rolling_back_goes_back_one_champion_at_a_time_and_never_forward(backend):
    three_champions(backend)
    assert back(backend).to_version == "2"
    assert backend.registry.aliases() == {"champion": "2", "previous": "1"}
    assert back(backend).to_version == "1"
    assert backend.registry.aliases() == {"champion": "1"}
    with pytest.raises(PromotionRefused, match="no champion before this one"):
        back(backend)


def test_the_gate_does_not_promote_again_what_a_person_rolled_back(backend):
    *_, third = three_champions(backend)
    back(backend)
    backend.promote(third)
    assert backend.registry.aliases()["champion"] == "2"
    backend.promote(third, person="ada", because="the fault was elsewhere")
    assert backend.registry.aliases() == {"champion": "3", "previous": "2"}


def test_a_rolled_back_version_is_not_gone_back_to(backend):
    three_champions(backend)
    back(backend)
    backend.promote(backend.judged(4, against="hash-2"))
    assert backend.registry.aliases() == {"champion": "4", "previous": "2"}
    assert back(backend).to_version == "2"


def test_rolling_back_to_a_model_that_is_gone_is_refused(backend):
    three_champions(backend)
    (backend.workspace / "models/m2/weights").write_text("something else")
    with pytest.raises(PromotionRefused, match="weights changed"):
        back(backend)
    assert backend.registry.aliases()["champion"] == "3"


@pytest.mark.parametrize("past_trail", [False, True])
def test_a_champion_that_was_set_by_hand_is_no_champion_and_stops_promotions(backend, past_trail):
    if past_trail:
        three_champions(backend)
    backend.judged(4)
    backend.registry.set_alias(RECIPE, "champion", "4")
    with pytest.raises(ChampionError, match=r"`champion` names version 4, and no promotion made it so.*models repair"):
        backend.promote(backend.judged(5, against="hash-4"))
    assert backend.registry.aliases()["champion"] == "4"


def test_a_rollback_goes_by_the_trail_whatever_the_aliases_say(backend):
    three_champions(backend)
    backend.judged(4)
    backend.registry.set_alias(RECIPE, "previous", "4")
    backend.registry.set_alias(RECIPE, "champion", "4")
    assert back(backend).to_version == "2"
    assert backend.registry.aliases() == {"champion": "2", "previous": "1", "candidate": "4"}


def test_a_rollback_to_a_version_that_was_deleted_registers_it_again(backend):
    three_champions(backend)
    backend.registry.delete("2")
    done = back(backend)
    assert (done.to_version, done.model_hash) == ("4", "hash-2")
    assert backend.registry.aliases() == {"champion": "4", "previous": "1"}
    assert examine(backend.registry, backend.workspace, recipe=RECIPE, hash_of=hash_of).faults == []


def test_a_round_of_which_a_person_has_rolled_back_the_model_does_not_come_back_under_a_new_number(backend):
    *_, third = three_champions(backend)
    back(backend)
    backend.registry.delete("3")
    backend.registry.register(RECIPE, "run", artifact=Path(third.training.adapter), tags=tags_of(backend, third))
    done = promote(
        backend.registry, backend.workspace, recipe=RECIPE, version="4", round_=third, because="again", person=None,
        hash_of=hash_of,
    )  # fmt: skip
    assert done.to_version == "3"
    assert backend.registry.aliases()["champion"] == "2"


def tags_of(backend, round_):
    return version_tags(round_) | signature_tags(round_.verdict, recipe=RECIPE, key=backend.key)


def test_registering_marks_the_newest_version_and_leaves_champions_alone(backend):
    backend.promote(backend.judged(1))
    backend.judged(2, "reject")
    mark_registered(backend.registry, backend.workspace, recipe=RECIPE, version="1", decision="promote")
    assert backend.registry.aliases() == {"champion": "1", "candidate": "2"}
    mark_registered(backend.registry, backend.workspace, recipe=RECIPE, version="2", decision="needs_review")
    assert backend.registry.aliases() == {"champion": "1", "challenger": "2"}


def test_a_trail_that_was_tampered_with_stops_promotions_but_not_rollbacks(backend):
    three_champions(backend)
    file = trail_of(backend).file
    file.write_text(file.read_text().replace("it is better", "it is bettor", 1))
    with pytest.raises(ChampionError, match=r"line 1 was changed.*rollback` works"):
        backend.promote(backend.judged(4, against="hash-3"))
    assert back(backend).to_version == "2"


def test_a_rollback_believes_no_line_that_was_not_sealed_here(backend):
    three_champions(backend)
    file = trail_of(backend).file
    file.write_text(file.read_text().replace('"model_hash":"hash-2"', '"model_hash":"hash-9"'))
    assert back(backend).to_version == "1"


def test_a_trail_that_was_lost_or_cut_off_stops_promotions(backend):
    three_champions(backend)
    file, whole = trail_of(backend).file, trail_of(backend).file.read_bytes()
    fourth = backend.judged(4, against="hash-3")
    for left in (b"", b"".join(whole.splitlines(keepends=True)[:-2])):
        file.write_bytes(left)
        with pytest.raises(ChampionError, match="lines are missing at the end"):
            backend.promote(fourth)
    assert backend.registry.aliases()["champion"] == "3"


def test_a_round_that_is_registered_again_with_another_verdict_is_refused(backend):
    round_ = backend.judged(1, "reject")
    version = backend.registry.versions(RECIPE)[0]
    own = version.tags | {"flow_run_id": "f"}
    backend.registry.set_tags(RECIPE, "1", {"flow_run_id": "f"})
    versions = backend.registry.versions(RECIPE)
    check_same_verdict(versions, tags=own, verdict=round_.verdict)
    changed = round_.verdict.model_copy(update={"decision": "promote"})
    with pytest.raises(PromotionRefused, match="registered as version 1 with another verdict"):
        check_same_verdict(versions, tags=own, verdict=changed)
    check_same_verdict(versions, tags=own | {"round": "2"}, verdict=changed)


def test_healing_where_nothing_was_cut_off_writes_nothing(backend):
    backend.promote(backend.judged(1))
    assert heal(backend.registry, trail_of(backend)) is None
    assert len(trail_of(backend).entries()) == 2
