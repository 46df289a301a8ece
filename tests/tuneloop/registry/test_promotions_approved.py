"""Promotions in a person's name after the gate has passed them, and a person's no."""

from __future__ import annotations

import pytest

from tests.tuneloop.registry.registered import RECIPE, Desk, hash_of
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.promotion_checks import PromotionRefused, StaleVerdict
from tuneloop.registry.promotions import anchors, decline, promote, roll_back


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def entries(desk):
    return AuditTrail(desk.workspace, RECIPE, desk.key).entries()


def approved(desk, round_, person="ada"):
    return promote(
        desk.registry, desk.workspace, recipe=RECIPE, version=str(round_.number), round_=round_,
        because="read it", person=person, hash_of=hash_of, as_judged=True,
    )  # fmt: skip


def declined(desk, round_, person="ada", because="too curt"):
    return decline(
        desk.registry, desk.workspace, recipe=RECIPE, version=str(round_.number), verdict=round_.verdict,
        because=because, person=person,
    )  # fmt: skip


def test_an_approval_promotes_in_the_persons_name_once(desk):
    first = desk.judged(1)
    done = approved(desk, first)
    assert (done.who, done.because, desk.registry.aliases()) == ("ada", "read it", {"champion": "1"})
    second = desk.judged(2, against="hash-1")
    approved(desk, second)
    roll_back(desk.registry, desk.workspace, recipe=RECIPE, because="bad", person="bob", hash_of=hash_of)
    approved(desk, second)  # the same run again, after a kill: it must not undo the rollback
    assert desk.registry.aliases()["champion"] == "1"


def test_an_approval_of_a_comparison_with_a_past_champion_is_void(desk):
    first, second, third = desk.judged(1), desk.judged(2, against="hash-1"), desk.judged(3, against="hash-1")
    for round_ in (first, second):
        approved(desk, round_)
    with pytest.raises(StaleVerdict):
        approved(desk, third)
    assert desk.registry.aliases()["champion"] == "2"


def test_a_no_is_one_line_that_changes_no_alias_and_no_way_back(desk):
    first, second = desk.judged(1), desk.judged(2, against="hash-1")
    approved(desk, first)
    before = desk.registry.aliases()
    line = declined(desk, second)
    assert declined(desk, second, because="again") == line
    assert (line.step, line.who, line.because, line.from_version, line.to_version) == (
        "declined", "ada", "too curt", "1", "2",
    )  # fmt: skip
    assert desk.registry.aliases() == before
    trail = AuditTrail(desk.workspace, RECIPE, desk.key)
    assert trail.faults(entries(desk), anchors=anchors(desk.registry.versions(RECIPE))) == []
    with pytest.raises(PromotionRefused, match="no champion before"):
        roll_back(desk.registry, desk.workspace, recipe=RECIPE, because="x", person="bob", hash_of=hash_of)


@pytest.mark.parametrize(("person", "because"), [("", "x"), ("gate", "x"), ("ada", " ")])
def test_nobody_and_no_reason_decline_nothing(desk, person, because):
    with pytest.raises(PromotionRefused):
        declined(desk, desk.judged(1), person=person, because=because)
    assert entries(desk) == []
