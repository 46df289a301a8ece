from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tuneloop.review.answers import said
from tests.tuneloop.review.crowd import careful, gold_rows, judged_by, malicious
from tuneloop.ports import ReviewAnswer, SetProgress
from tuneloop.results import ReviewSummary
from tuneloop.review.collecting import examined
from tuneloop.review.ledger import merged
from tuneloop.review.rows import write_rows
from tuneloop.review.summary import summarise

SECRET = "Ring Anna Berg on 0161 496 0000"
SET = "desk-round-1"


def progress(records: int = 10, completed: int = 4, **changes: Any) -> SetProgress:
    whole = {"review_set": SET, "kind": "answers", "url": "http://desk/1", "min_submitted": 2}
    return SetProgress(records=records, completed=completed, **whole | {"waiting": {"reviewer-a": 6}} | changes)


def summary(
    folder: Path, answers: list[ReviewAnswer], *told: SetProgress, unpublished: int = 0, **changes: Any
) -> ReviewSummary:
    more: dict[str, Any] = {"rows": {}, "accepted": 0, "set_aside": None, "judge": None} | changes
    found = examined(merged({}, answers), folder=folder)
    return summarise("desk", found, told, made_at="2026-11-29T10:00:00+00:00", unpublished=unpublished, **more)


def test_who_is_waited_for_is_said_in_words(tmp_path):
    adjudication = progress(3, 1, review_set="desk-adjudication-1", kind="adjudication", waiting={})
    done = progress(5, 5, review_set="desk-round-0", waiting={"reviewer-a": 0})
    found = summary(tmp_path, [], done, progress(waiting={"reviewer-a": 6, "reviewer-b": 0}), adjudication)
    assert found.waits == [
        "desk-round-1: 6 of 10 records wait for reviewer-a (6)",
        "desk-adjudication-1: 2 conflicts wait for an adjudicator",
    ]


def test_a_set_that_waits_for_nobody_known_waits_for_anybody(tmp_path):
    assert summary(tmp_path, [], progress(waiting={})).waits == ["desk-round-1: 6 of 10 records wait for anybody"]


def test_conflicts_that_no_adjudicator_can_see_are_named(tmp_path):
    (line,) = summary(tmp_path, [], unpublished=2).waits
    assert line.startswith("2 conflicts are in no adjudication set yet")


def test_a_team_lead_is_told_whom_to_talk_to(tmp_path):
    write_rows(tmp_path / "gold.jsonl", gold_rows(range(30)))
    people = {"a": careful, "b": careful, "m": malicious}
    found = summary(tmp_path, judged_by(people, records=150, per_record=2, seed=1))
    assert found.waits == ["talk to m: their answers differ from gold items, decisions or others"]
    assert [person.reviewer for person in found.reviewers if person.is_doubtful] == ["m"]


def test_a_set_is_counted_by_what_stands(tmp_path):
    answers = [
        said(rating=1),
        said(response_id="r2", reviewer="reviewer-b", rating=5, correction=None),
        said(response_id="r3", item_id="i3", status="draft"),
        said(response_id="r4", item_id="i4", status="discarded", issues=("off_topic",)),
        said(response_id="r5", item_id="i5", status="discarded", issues=()),
    ]
    found = summary(tmp_path, answers, progress())
    (each,) = found.sets
    assert (each.submitted, each.drafts, each.discarded, each.conflicts_waiting) == (2, 1, 2, 1)
    assert (each.records, each.completed, each.url) == (10, 4, "http://desk/1")
    assert each.rating is not None
    assert each.rating.value == 3.0
    assert found.conflicts == {"rating_gap": 1}
    assert found.discards == {"off_topic": 1, "no reason given": 1}
    assert found.unusable == {"discarded": 2, "conflict": 1}
    assert found.issues == {"voice": 2}


def test_a_set_that_the_desk_does_not_know_any_more_is_still_shown(tmp_path):
    (each,) = summary(tmp_path, [said()]).sets
    assert (each.review_set, each.kind, each.records, each.submitted) == (SET, "answers", None, 1)


def test_gold_items_tell_of_people_and_of_nothing_else(tmp_path):
    write_rows(tmp_path / "gold.jsonl", [{"review_set": SET, "item_id": "i1", "rating": 2, "tolerance": 1}])
    answers = [said(), said(response_id="r2", reviewer="reviewer-b", rating=5)]
    found = summary(tmp_path, answers)
    assert {person.reviewer: person.gold for person in found.reviewers} == {
        "reviewer-a": (1, 0),
        "reviewer-b": (0, 1),
    }
    assert (found.agreement, found.sets[0].rating, found.sets[0].conflicts_waiting) == ([], None, 0)


def test_nothing_that_anybody_wrote_is_in_the_summary(tmp_path):
    told = said(prompt=SECRET, answer=SECRET, correction=f"{SECRET}!", issues=("style",))
    assert "Anna" not in summary(tmp_path, [told], progress()).model_dump_json()
