from __future__ import annotations

import pytest

from tests.tuneloop.review.answers import said
from tests.tuneloop.review.crowd import careful, judged_by
from tuneloop.review.timing import timings


def at(minute: float, number: int, **changes):
    time = f"2026-11-01T10:{int(minute):02d}:{round(minute % 1 * 60):02d}+00:00"
    return said(**{"response_id": f"r{number}", "item_id": f"i{number}", "submitted_at": time} | changes)


def seconds(*answers) -> tuple[float, ...]:
    (found,) = timings(answers)
    return found.seconds


def test_a_record_takes_the_time_since_the_one_before():
    assert seconds(at(0, 1), at(1, 2), at(3.5, 3)) == (60, 150)


def test_a_pause_is_no_work_and_the_record_after_it_counts_from_its_first_saving():
    after = at(50, 2, started_at="2026-11-01T10:48:30+00:00")
    assert seconds(at(0, 1), after) == (90,)
    assert seconds(at(0, 1), at(50, 2)) == ()


@pytest.mark.parametrize("time", ["", "yesterday"])
def test_what_has_no_time_and_what_came_in_at_once_is_not_timed(time):
    assert seconds(at(0, 1), at(0, 2), at(1, 3, submitted_at=time)) == ()


def test_times_with_and_without_a_zone_can_be_compared():
    assert seconds(at(0, 1), at(1, 2, submitted_at="2026-11-01T10:01:00")) == (60,)


def test_drafts_and_discarded_answers_are_not_timed():
    assert seconds(at(0, 1), at(1, 2, status="draft"), at(2, 3, status="discarded"), at(3, 4)) == (180,)


def test_who_is_much_faster_or_slower_than_the_others_is_named():
    people = dict.fromkeys("abcfs", careful)
    answers = judged_by(people, records=60, per_record=3, seed=5, seconds={"f": 6, "s": 400})
    assert {t.reviewer: t.pace for t in timings(answers)} == {
        "a": "usual",
        "b": "usual",
        "c": "usual",
        "f": "fast",
        "s": "slow",
    }


def test_nobody_is_slow_alone_or_after_a_few_records():
    (alone,) = timings(judged_by({"a": careful}, records=20, per_record=1, seed=1))
    assert alone.pace is None
    few = judged_by({"a": careful, "b": careful}, records=4, per_record=2, seed=1, seconds={"b": 900})
    assert [t.pace for t in timings(few)] == [None, None]
