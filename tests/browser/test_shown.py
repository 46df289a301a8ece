"""What the page shows a reviewer, and what it does not."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser import mossgate
from tests.browser.conftest import Reviewer
from tests.browser.mossgate import BARBECUE

pytestmark = pytest.mark.end_to_end


def test_a_reviewer_is_sent_neither_models_nor_why_a_record_was_chosen_nor_what_others_said(
    reviewer: Reviewer,
) -> None:
    kim = reviewer("kim")
    kim.search("barbecue")
    kim.expect_record(mossgate.message(BARBECUE))
    kim.rate("rating", 2)
    kim.write("correction", "What only Kim would say")
    kim.submit()
    kim.expect_nothing("pending")

    robin = reviewer("robin")
    robin.search("barbecue")
    robin.expect_count(1)
    robin.expect_record(mossgate.message(BARBECUE))
    robin.expect_status("pending")
    robin.show_metadata()
    expect(robin.page.get_by_text("answer_words")).to_be_visible()
    heard = " ".join(robin.heard())
    assert mossgate.answer(BARBECUE)[-30:-2] in heard
    assert not [secret for secret in (mossgate.MODEL, mossgate.WHY, "only Kim") if secret in heard]
