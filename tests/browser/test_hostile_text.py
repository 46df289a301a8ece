"""What the page does with texts that were written to take it over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request

from tests.browser.chromium import window
from tests.browser.review_page import ReviewPage
from tests.tuneloop.adapters.argilla_server import KEY, OWNER, api
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.ports import ReviewForm, ReviewItem

pytestmark = pytest.mark.end_to_end

FORMATS, KINDS = ("plain", "markdown", "chat"), ("answers", "preference", "adjudication")
THERE = "http://there.invalid/"
HOSTILE = f"""<img src="{THERE}image"> <img src=x onerror="fetch('{THERE}onerror')"> <svg onload="fetch('{THERE}svg')">

<b><script>fetch("{THERE}script")</script></b> </script><script>fetch("{THERE}escaped")</script>

![x]({THERE}markdown) ![x][1] <object data="{THERE}object"></object> <embed src="{THERE}embed">

[1]: {THERE}reference

<iframe src="{THERE}frame"></iframe> <style>@import url({THERE}style)</style> <link rel=stylesheet href="{THERE}link">

$' $& $` $$ {{{{{{record.fields}}}}}} &lt;img src={THERE}entity&gt; `<img src="{THERE}code">` <video src="{THERE}video">
"""


class Owner:
    """The owner's window, and the addresses outside that it has asked for (but for the page's own web fonts)."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.outside: list[str] = []
        self._inside = (url, "data:", "blob:")
        page.on("request", self._note)
        review_page = ReviewPage(page, url)
        review_page.log_in(OWNER["ARGILLA_OWNER_USERNAME"], OWNER["ARGILLA_OWNER_PASSWORD"])

    def _note(self, request: Request) -> None:
        if not request.url.startswith(self._inside) and "fonts.googleapis.com" not in request.url:
            self.outside.append(request.url)

    def show(self, address: str) -> None:
        self.page.goto(address)
        self.page.get_by_role("form", name="Annotation Questions").wait_for()
        self.page.wait_for_load_state("networkidle")


@pytest.fixture
def owner(url: str, browser: Browser) -> Iterator[Owner]:
    opened = window(browser)
    yield Owner(opened.new_page(), url)
    opened.close()


def test_hostile_text_neither_runs_nor_loads_anything_in_any_format(url: str, owner: Owner) -> None:
    backend = ArgillaBackend(url, KEY, workspace="hostile")
    labels = {"slice": HOSTILE, "original": HOSTILE, "reviewer_a": HOSTILE}
    item = ReviewItem(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {}, None, HOSTILE, HOSTILE, labels)
    for text_format in FORMATS:
        for kind in KINDS:
            form = ReviewForm("Rules", kind, text_format=text_format)
            owner.show(backend.publish(f"hostile-{text_format}-{kind}", [item], form))
            assert owner.page.get_by_text(f'<img src="{THERE}image">'.replace("<", "<\u2060")).count() > 0
            assert owner.outside == []


def test_this_would_be_noticed(url: str, owner: Owner) -> None:
    """The same text in a record that did not come from the backend."""
    backend = ArgillaBackend(url, KEY, workspace="hostile")
    address = backend.publish("hostile-by-hand", [], ReviewForm("Rules"))
    raw = {"items": [{"fields": {"prompt": HOSTILE, "answer": "a"}}]}
    api(url).post(f"/datasets/{address.split('/')[-2]}/records/bulk", json=raw).raise_for_status()
    owner.show(address)
    assert THERE + "image" in owner.outside
