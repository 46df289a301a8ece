"""Promotions in a person's name after the gate has passed them, and a person's no."""

from __future__ import annotations

import pytest

from tests.tuneloop.registry.registered import RECIPE, RecordingBackend, hash_of
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.promotion_checks import PromotionRefused, StaleVerdict
from tuneloop.registry.promotions import anchors, decline, promote, roll_back


@pytest.fixture
def backend(tmp_path):
    return RecordingBackend(tmp_path)


def entries(backend):
    return AuditTrail(backend.workspace, RECIPE, backend.key).entries()


def approved(backend, round_, person="ada"):
    return promote(
        backend.registry, backend.workspace, recipe=RECIPE, version=str(round_.number), round_=round_,
        because="read it", person=person, hash_of=hash_of, as_judged=True,
    )  # fmt: skip


def declined(backend, round_, person="ada", because="too curt"):
    return decline(
        backend.registry, backend.workspace, recipe=RECIPE, version=str(round_.number), verdict=round_.verdict,
        because=because, person=person,
    )  # fmt: skip


def test_an_approval_promotes_in_the_persons_name_once(backend):
    first = backend.judged(1)
    done = approved(backend, first)
    assert (done.who, done.because, backend.registry.aliases()) == ("ada", "read it", {"champion": "1"})
    second = backend.judged(2, against="hash-1")
    approved(backend, second)
    roll_back(backend.registry, backend.workspace, recipe=RECIPE, because="bad", person="bob", hash_of=hash_of)
    approved(backend, second)  # the same run again, after a kill: it must not undo the rollback
    assert backend.registry.aliases()["champion"] == "1"


def test_an_approval_of_a_comparison_with_a_past_champion_is_void(backend):
    first, second, third = backend.judged(1), backend.judged(2, against="hash-1"), backend.judged(3, against="hash-1")
    for round_ in (first, second):
        approved(backend, round_)
    with pytest.raises(StaleVerdict):
        approved(backend, third)
    assert backend.registry.aliases()["champion"] == "2"


def test_a_no_is_one_line_that_changes_no_alias_and_no_way_back(backend):
    first, second = backend.judged(1), backend.judged(2, against="hash-1")
    approved(backend, first)
    before = backend.registry.aliases()
    line = declined(backend, second)
    assert declined(backend, second, because="again") == line
    assert (line.step, line.who, line.because, line.from_version, line.to_version) == (
        "declined", "ada", "too curt", "1", "2",
    )  # fmt: skip
    assert backend.registry.aliases() == before
    trail = AuditTrail(backend.workspace, RECIPE, backend.key)
    assert trail.faults(entries(backend), anchors=anchors(backend.registry.versions(RECIPE))) == []
    with pytest.raises(PromotionRefused, match="no champion before"):
        roll_back(backend.registry, backend.workspace, recipe=RECIPE, because="x", person="bob", hash_of=hash_of)


@pytest.mark.parametrize(("person", "because"), [("", "x"), ("gate", "x"), ("ada", " ")])
def test_nobody_and_no_reason_decline_nothing(backend, person, because):
    with pytest.raises(PromotionRefused):
        declined(backend, backend.judged(1), person=person, because=because)
    assert entries(backend) == []
