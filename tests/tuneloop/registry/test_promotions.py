from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.registry.registered import RECIPE, Desk, hash_of
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.champion import ChampionError, examine, heal
from tuneloop.registry.model_versions import version_tags
from tuneloop.registry.promotion_checks import PromotionRefused, StaleVerdict, check_same_verdict
from tuneloop.registry.promotions import anchors, mark_registered, promote, roll_back
from tuneloop.registry.verdict_signature import signature_tags


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def trail_of(desk: Desk) -> AuditTrail:
    return AuditTrail(desk.workspace, RECIPE, desk.key)


def back(desk: Desk, because: str = "it answers badly"):
    return roll_back(
        desk.registry, desk.workspace, recipe=RECIPE, because=because, person="ada", hash_of=hash_of
    )  # fmt: skip


def three_champions(desk: Desk):
    rounds = [desk.judged(1), desk.judged(2, against="hash-1"), desk.judged(3, against="hash-2")]
    for round_ in rounds:
        desk.promote(round_)
    return rounds


def test_a_promotion_moves_the_aliases_and_leaves_two_sealed_lines(desk):
    first, second = desk.judged(1), desk.judged(2, against="hash-1")
    desk.promote(first)
    done = desk.promote(second, because="all rules hold")
    assert desk.registry.aliases() == {"champion": "2", "previous": "1"}
    lines = trail_of(desk).entries()
    assert [(e.step, e.to_version, e.from_version) for e in lines] == [
        ("intent", "1", None), ("done", "1", None), ("intent", "2", "1"), ("done", "2", "1"),
    ]  # fmt: skip
    assert lines[-1] == done
    assert (done.who, done.because, done.intent, done.model_hash) == ("gate", "all rules hold", 3, "hash-2")
    assert trail_of(desk).faults(lines, anchors=anchors(desk.registry.versions(RECIPE))) == []


def test_promoting_the_champion_again_changes_nothing(desk):
    round_ = desk.judged(1)
    first = desk.promote(round_)
    assert desk.promote(round_) == first
    assert desk.promote(round_, person="ada") is None
    assert len(trail_of(desk).entries()) == 2


@pytest.mark.parametrize("person", [None, "ada"])
def test_what_the_gate_refused_is_promoted_by_nobody(desk, person):
    with pytest.raises(PromotionRefused, match="the gate refused it"):
        desk.promote(desk.judged(1, "reject"), person=person)
    assert "champion" not in desk.registry.aliases()
    assert trail_of(desk).entries() == []


def test_what_needs_review_takes_a_person_with_a_reason(desk):
    round_ = desk.judged(1, "needs_review")
    assert desk.registry.aliases() == {"challenger": "1"}
    with pytest.raises(PromotionRefused, match="a person has to decide"):
        desk.promote(round_)
    with pytest.raises(PromotionRefused, match="needs a reason"):
        desk.promote(round_, person="ada", because="  ")
    with pytest.raises(PromotionRefused, match="TUNELOOP_USER"):
        desk.promote(round_, person="gate")
    assert desk.promote(round_, person="ada").who == "ada"
    assert desk.registry.aliases() == {"champion": "1"}


def test_a_verdict_that_was_changed_is_refused(desk):
    round_ = desk.judged(1, "reject")
    forged = round_.model_copy(update={"verdict": round_.verdict.model_copy(update={"decision": "promote"})})
    with pytest.raises(PromotionRefused, match="not the one that was signed"):
        desk.promote(forged, person="ada")


def test_a_verdict_of_another_model_is_refused(desk):
    round_ = desk.judged(1)
    desk.registry.set_tags(RECIPE, "1", {"served_hash": "other"})
    with pytest.raises(PromotionRefused, match="about another model"):
        desk.promote(round_)


def test_a_model_that_changed_on_the_disk_is_refused(desk):
    round_ = desk.judged(1)
    (desk.workspace / "models/m1/weights").write_text("tampered with")
    with pytest.raises(PromotionRefused, match=r"not what was judged: served: weights changed \(in"):
        desk.promote(round_)
    assert trail_of(desk).entries() == []


def test_a_model_that_is_gone_is_refused(desk):
    round_ = desk.judged(1)
    shutil.rmtree(desk.workspace / "models/m1")
    with pytest.raises(PromotionRefused, match="served: the folder is gone"):
        desk.promote(round_)


def test_a_version_without_a_round_or_a_signature_is_refused(desk):
    round_ = desk.judged(1)
    with pytest.raises(PromotionRefused, match="not in this workspace"):
        desk.promote(round_.model_copy(update={"verdict": None}))
    desk.registry.add("1", {"model_hash": "hash-1", "round": "1"})
    with pytest.raises(PromotionRefused, match="never signed"):
        desk.promote(round_)


def test_a_version_that_is_not_there_is_named_with_those_that_are(desk):
    desk.judged(1)
    with pytest.raises(PromotionRefused, match=r"no version 7; there are: 1"):
        desk.promote(desk.judged(2).model_copy(update={"number": 7}))


def test_the_gate_does_not_act_on_a_verdict_about_an_older_champion_but_a_person_may(desk):
    first, second, third = desk.judged(1), desk.judged(2, against="hash-1"), desk.judged(3, against="hash-1")
    desk.promote(first)
    desk.promote(second)
    with pytest.raises(StaleVerdict, match="compared with champion hash-1, and now it is hash-2"):
        desk.promote(third)
    desk.promote(third, person="ada")
    assert desk.registry.aliases()["champion"] == "3"


def test_rolling_back_goes_back_one_champion_at_a_time_and_never_forward(desk):
    three_champions(desk)
    assert back(desk).to_version == "2"
    assert desk.registry.aliases() == {"champion": "2", "previous": "1"}
    assert back(desk).to_version == "1"
    assert desk.registry.aliases() == {"champion": "1"}
    with pytest.raises(PromotionRefused, match="no champion before this one"):
        back(desk)


def test_the_gate_does_not_promote_again_what_a_person_rolled_back(desk):
    *_, third = three_champions(desk)
    back(desk)
    desk.promote(third)
    assert desk.registry.aliases()["champion"] == "2"
    desk.promote(third, person="ada", because="the fault was elsewhere")
    assert desk.registry.aliases() == {"champion": "3", "previous": "2"}


def test_a_rolled_back_version_is_not_gone_back_to(desk):
    three_champions(desk)
    back(desk)
    desk.promote(desk.judged(4, against="hash-2"))
    assert desk.registry.aliases() == {"champion": "4", "previous": "2"}
    assert back(desk).to_version == "2"


def test_rolling_back_to_a_model_that_is_gone_is_refused(desk):
    three_champions(desk)
    (desk.workspace / "models/m2/weights").write_text("something else")
    with pytest.raises(PromotionRefused, match="weights changed"):
        back(desk)
    assert desk.registry.aliases()["champion"] == "3"


@pytest.mark.parametrize("past_trail", [False, True])
def test_a_champion_that_was_set_by_hand_is_no_champion_and_stops_promotions(desk, past_trail):
    if past_trail:
        three_champions(desk)
    desk.judged(4)
    desk.registry.set_alias(RECIPE, "champion", "4")
    with pytest.raises(ChampionError, match=r"`champion` names version 4, and no promotion made it so.*models repair"):
        desk.promote(desk.judged(5, against="hash-4"))
    assert desk.registry.aliases()["champion"] == "4"


def test_a_rollback_goes_by_the_trail_whatever_the_aliases_say(desk):
    three_champions(desk)
    desk.judged(4)
    desk.registry.set_alias(RECIPE, "previous", "4")
    desk.registry.set_alias(RECIPE, "champion", "4")
    assert back(desk).to_version == "2"
    assert desk.registry.aliases() == {"champion": "2", "previous": "1", "candidate": "4"}


def test_a_rollback_to_a_version_that_was_deleted_registers_it_again(desk):
    three_champions(desk)
    desk.registry.delete("2")
    done = back(desk)
    assert (done.to_version, done.model_hash) == ("4", "hash-2")
    assert desk.registry.aliases() == {"champion": "4", "previous": "1"}
    assert examine(desk.registry, desk.workspace, recipe=RECIPE, hash_of=hash_of).faults == []


def test_a_round_of_which_a_person_has_rolled_back_the_model_does_not_come_back_under_a_new_number(desk):
    *_, third = three_champions(desk)
    back(desk)
    desk.registry.delete("3")
    desk.registry.register(RECIPE, "run", artifact=Path(third.training.adapter), tags=tags_of(desk, third))
    done = promote(
        desk.registry, desk.workspace, recipe=RECIPE, version="4", round_=third, because="again", person=None,
        hash_of=hash_of,
    )  # fmt: skip
    assert done.to_version == "3"
    assert desk.registry.aliases()["champion"] == "2"


def tags_of(desk, round_):
    return version_tags(round_) | signature_tags(round_.verdict, recipe=RECIPE, key=desk.key)


def test_registering_marks_the_newest_version_and_leaves_champions_alone(desk):
    desk.promote(desk.judged(1))
    desk.judged(2, "reject")
    mark_registered(desk.registry, desk.workspace, recipe=RECIPE, version="1", decision="promote")
    assert desk.registry.aliases() == {"champion": "1", "candidate": "2"}
    mark_registered(desk.registry, desk.workspace, recipe=RECIPE, version="2", decision="needs_review")
    assert desk.registry.aliases() == {"champion": "1", "challenger": "2"}


def test_a_trail_that_was_tampered_with_stops_promotions_but_not_rollbacks(desk):
    three_champions(desk)
    file = trail_of(desk).file
    file.write_text(file.read_text().replace("it is better", "it is bettor", 1))
    with pytest.raises(ChampionError, match=r"line 1 was changed.*rollback` works"):
        desk.promote(desk.judged(4, against="hash-3"))
    assert back(desk).to_version == "2"


def test_a_rollback_believes_no_line_that_was_not_sealed_here(desk):
    three_champions(desk)
    file = trail_of(desk).file
    file.write_text(file.read_text().replace('"model_hash":"hash-2"', '"model_hash":"hash-9"'))
    assert back(desk).to_version == "1"


def test_a_trail_that_was_lost_or_cut_off_stops_promotions(desk):
    three_champions(desk)
    file, whole = trail_of(desk).file, trail_of(desk).file.read_bytes()
    fourth = desk.judged(4, against="hash-3")
    for left in (b"", b"".join(whole.splitlines(keepends=True)[:-2])):
        file.write_bytes(left)
        with pytest.raises(ChampionError, match="lines are missing at the end"):
            desk.promote(fourth)
    assert desk.registry.aliases()["champion"] == "3"


def test_a_round_that_is_registered_again_with_another_verdict_is_refused(desk):
    round_ = desk.judged(1, "reject")
    version = desk.registry.versions(RECIPE)[0]
    own = version.tags | {"flow_run_id": "f"}
    desk.registry.set_tags(RECIPE, "1", {"flow_run_id": "f"})
    versions = desk.registry.versions(RECIPE)
    check_same_verdict(versions, tags=own, verdict=round_.verdict)
    changed = round_.verdict.model_copy(update={"decision": "promote"})
    with pytest.raises(PromotionRefused, match="registered as version 1 with another verdict"):
        check_same_verdict(versions, tags=own, verdict=changed)
    check_same_verdict(versions, tags=own | {"round": "2"}, verdict=changed)


def test_healing_where_nothing_was_cut_off_writes_nothing(desk):
    desk.promote(desk.judged(1))
    assert heal(desk.registry, trail_of(desk)) is None
    assert len(trail_of(desk).entries()) == 2
