"""Reviewers find the records they want, with the mouse or with the keyboard alone."""

from __future__ import annotations

import pytest

from tests.browser import mossgate
from tests.browser.conftest import Reviewer
from tests.browser.mossgate import BARBECUE, CARD, HEATER
from tuneloop.adapters.argilla.backend import ArgillaBackend

pytestmark = pytest.mark.end_to_end


def test_records_are_found_by_words_by_scores_and_by_likeness(reviewer: Reviewer) -> None:
    robin = reviewer("robin")
    robin.expect_count(10)
    robin.search('"gift card"')
    robin.expect_count(1)
    robin.expect_record(mossgate.message(CARD))
    robin.search("")
    robin.expect_count(10)

    robin.sort_by("answer words")
    robin.expect_record(mossgate.message(HEATER))  # the shortest
    robin.find_similar()
    robin.expect_count(9)
    robin.expect_record(mossgate.message(BARBECUE))

    again = reviewer("robin")
    again.filter_by_number("answer words", at_most=12)
    again.expect_count(1)
    again.expect_record(mossgate.message(HEATER))


def test_the_keyboard_is_enough(reviewer: Reviewer, backend: ArgillaBackend, review_set: str) -> None:
    robin = reviewer("robin")
    robin.sort_by("answer words")
    robin.expect_record(mossgate.message(HEATER))
    robin.press("Tab")  # from the menu to the first question
    robin.press("1")
    robin.answer_by("Enter")
    robin.expect_submitted(1)
    robin.press("3")
    robin.answer_by("Control+s")
    robin.expect_status("draft")
    robin.press("ArrowRight")
    robin.expect_status("pending")
    robin.answer_by("Backspace")

    statuses = {a.status: a.rating for a in backend.answers(review_set)}
    assert statuses == {"submitted": 1, "draft": 3, "discarded": None}
