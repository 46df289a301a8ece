"""Two reviewers disagree, a third decides, and only then is anything learned."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser import mossgate
from tests.browser.conftest import PASSWORD, Reviewer
from tests.browser.mossgate import BARBECUE
from tests.browser.review_page import ReviewPage
from tests.tuneloop.adapters.argilla_server import KEY
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.review.adjudication import mark_published, new_cases
from tuneloop.review.collecting import collect, examined
from tuneloop.review.ledger import read_ledger
from tuneloop.review.outputs import CORRECTIONS
from tuneloop.review.rows import read_rows

pytestmark = pytest.mark.end_to_end


def test_nothing_is_learned_from_a_disagreement_until_an_adjudicator_has_seen_both_sides(
    reviewer: Reviewer, url: str, review_set: str, tmp_path: Path
) -> None:
    ensure_annotator(url, KEY, "lee", PASSWORD)
    backend = ArgillaBackend(url, KEY, adjudicators=["lee"])
    judge(reviewer, "robin", 5)
    kim = judge(reviewer, "kim", 1, mossgate.right_answer(BARBECUE))
    report = collect(backend.answers(review_set), folder=tmp_path)
    assert (report.responses, report.conflicts_waiting, report.corrections) == (2, 1, 0)

    name, case = send_to_adjudication(backend, review_set, tmp_path)
    kim.page.get_by_role("link", name="Home").click()
    expect(kim.page.get_by_role("heading", name=review_set, exact=True)).to_be_visible()
    expect(kim.page.get_by_role("heading", name=name, exact=True)).to_have_count(0)

    lee = reviewer("lee", opening=name)
    lee.expect_record(mossgate.message(BARBECUE))
    lee.expect_record("rated it 5 of 5")
    lee.expect_record("rated it 1 of 5")
    for version in (mossgate.answer(BARBECUE), mossgate.right_answer(BARBECUE)):
        expect(lee.side_by_side).to_contain_text(version)
    lee.choose("preferred", "Version A" if case.answer == mossgate.right_answer(BARBECUE) else "Version B")
    lee.rate("rating", 1)
    lee.submit()
    lee.expect_nothing("pending")

    report = collect(backend.answers(review_set), folder=tmp_path)
    assert (report.conflicts_waiting, report.conflicts_decided, report.corrections) == (0, 1, 1)
    [row] = read_rows(tmp_path / CORRECTIONS)
    assert row["completion"] == mossgate.right_answer(BARBECUE)
    assert row["id"] == f"review/{review_set}/{BARBECUE}"


def judge(reviewer: Reviewer, username: str, rating: int, correction: str | None = None) -> ReviewPage:
    page = reviewer(username)
    page.search("barbecue")
    page.expect_count(1)
    page.rate("rating", rating)
    if correction:
        page.write("correction", correction)
    page.submit()
    page.expect_nothing("pending")
    return page


def send_to_adjudication(backend: ArgillaBackend, review_set: str, folder: Path) -> tuple[str, ReviewItem]:
    """What the flow does; the set is named after the test's own, so that its answers are read with it."""
    found = examined(list(read_ledger(folder).values()), folder=folder)
    [(name, items)] = new_cases(folder, found.waiting, recipe=review_set, most=24).items()
    backend.publish(name, items, ReviewForm("Choose the version you would send.", "adjudication"))
    mark_published(folder, name, items)
    [case] = items
    return name, case
