"""People review in a real browser; what they say is read back by the backend."""

from __future__ import annotations

import pytest

from tests.browser import mossgate
from tests.browser.conftest import Reviewer
from tests.browser.mossgate import BARBECUE, HEATER
from tuneloop.adapters.argilla.backend import ArgillaBackend

pytestmark = pytest.mark.end_to_end


def test_a_draft_is_taken_up_again_where_it_was_left(
    reviewer: Reviewer, backend: ArgillaBackend, review_set: str
) -> None:
    robin = reviewer("robin")
    robin.search("barbecue")
    robin.expect_record(mossgate.message(BARBECUE))
    robin.rate("rating", 2)
    robin.write("correction", "Not finished yet")
    robin.save_draft()
    robin.expect_status("draft")

    later = reviewer("robin")
    later.show("draft")
    later.expect_record(mossgate.message(BARBECUE))
    later.expect_chosen("rating", 2)
    later.expect_text("correction", "Not finished yet")
    later.submit()

    [answer] = backend.answers(review_set)
    assert (answer.rating, answer.correction, answer.status) == (2, "Not finished yet", "submitted")


def test_a_discarded_record_is_out_of_the_queue_and_can_be_taken_back(
    reviewer: Reviewer, backend: ArgillaBackend, review_set: str
) -> None:
    robin = reviewer("robin")
    robin.search("heater")
    robin.expect_record(mossgate.message(HEATER))
    robin.discard()
    robin.expect_nothing("pending")
    assert [a.status for a in backend.answers(review_set)] == ["discarded"]

    robin.show("discarded")
    robin.expect_record(mossgate.message(HEATER))
    robin.rate("rating", 1)
    robin.submit()
    robin.expect_nothing("discarded")
    assert [(a.status, a.rating) for a in backend.answers(review_set)] == [("submitted", 1)]


def test_an_answer_that_is_changed_after_submission_replaces_the_first(
    reviewer: Reviewer, backend: ArgillaBackend, review_set: str
) -> None:
    robin = reviewer("robin")
    robin.search("heater")
    robin.expect_record(mossgate.message(HEATER))
    robin.rate("rating", 4)
    robin.submit()
    robin.expect_nothing("pending")
    [first] = backend.answers(review_set)

    robin.show("submitted")
    robin.expect_chosen("rating", 4)
    robin.rate("rating", 1)
    robin.submit()
    [second] = backend.answers(review_set)
    assert (first.rating, second.rating) == (4, 1)
    assert first.response_id == second.response_id
    assert first.submitted_at < second.submitted_at
