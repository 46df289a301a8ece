from __future__ import annotations

import pytest

from tests.tuneloop.reports.examples import make_round
from tuneloop.ports import SetProgress
from tuneloop.results import FeedbackReport, ReviewReport
from tuneloop.review.timing import cause_for_a_turn


def feedback(responses: int) -> FeedbackReport:
    return FeedbackReport(
        responses=responses, new_responses=0, corrections=0, preference_pairs=0, mean_rating=None, issues={}, folder="f"
    )


def progress(completed: int, name: str = "desk-round-3") -> SetProgress:
    return SetProgress(name, "answers", "u", records=4, completed=completed, min_submitted=2, waiting={})


def waiting_round(decision: str):
    verdict = make_round().verdict.model_copy(update={"decision": decision})
    review = ReviewReport(review_set="desk-round-3", url="u", records=4)
    found = {"number": 3, "complete": True, "verdict": verdict, "feedback": feedback(10), "reviews": [review]}
    return make_round().model_copy(update=found)


@pytest.mark.parametrize(
    ("responses", "cause"),
    [(10, None), (29, None), (30, "round-3-answers-1"), (49, "round-3-answers-1"), (50, "round-3-answers-2")],
)
def test_so_many_new_answers_are_a_cause_and_have_one_name_until_there_are_as_many_again(responses, cause):
    assert cause_for_a_turn(waiting_round("promote"), feedback(responses), [], after_answers=20) == cause


@pytest.mark.parametrize(
    ("decision", "completed", "cause"),
    [("needs_review", 4, "round-3-reviewed"), ("needs_review", 3, None), ("promote", 4, None), ("reject", 4, None)],
)
def test_make_round_that_waits_for_people_is_due_once_its_set_is_done(decision, completed, cause):
    sets = [progress(completed), progress(0, "other-round-3")]
    assert cause_for_a_turn(waiting_round(decision), feedback(11), sets, after_answers=20) == cause


def test_a_set_that_was_done_before_the_round_began_is_no_news():
    assert cause_for_a_turn(waiting_round("needs_review"), feedback(10), [progress(4)], after_answers=20) is None


def test_an_unfinished_round_is_not_judged_again():
    last = waiting_round("needs_review").model_copy(update={"complete": False})
    assert cause_for_a_turn(last, feedback(11), [progress(4)], after_answers=20) is None
