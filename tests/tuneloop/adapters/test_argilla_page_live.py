"""Argilla's page in a headless Chromium, opened on text that was written to take it over."""

import shutil

import pytest

from tests.tuneloop.adapters.argilla_server import KEY, OWNER, api
from tuneloop.adapters.argilla_desk import ArgillaDesk
from tuneloop.ports import ReviewForm, ReviewItem

playwright = pytest.importorskip("playwright.sync_api")
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


@pytest.fixture
def page(url):
    """The owner's window, and the addresses outside that it has asked for (but for the page's own web fonts)."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no Chromium on this machine: `apt-get install chromium`")
    outside = []

    def pass_or_note(route):
        if route.request.url.startswith((url, "data:", "blob:")):
            return route.continue_()
        outside.extend([route.request.url] if "fonts.googleapis.com" not in route.request.url else [])
        return route.abort()

    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        opened = browser.new_page()
        opened.set_default_timeout(120_000)
        opened.route("**/*", pass_or_note)
        opened.goto(url)
        opened.get_by_label("Username").fill(OWNER["ARGILLA_OWNER_USERNAME"])
        opened.get_by_label("Password").fill(OWNER["ARGILLA_OWNER_PASSWORD"])
        opened.get_by_role("button", name="Sign in").click()
        opened.get_by_role("heading", name="Your datasets").wait_for()
        yield opened, outside
        browser.close()


def show(page, address):
    page.goto(address)
    page.get_by_role("form", name="Annotation Questions").wait_for()
    page.wait_for_load_state("networkidle")


def test_hostile_text_neither_runs_nor_loads_anything_in_any_format(url, page):
    window, outside = page
    desk = ArgillaDesk(url, KEY, workspace="hostile")
    labels = {"slice": HOSTILE, "original": HOSTILE, "reviewer_a": HOSTILE}
    item = ReviewItem(HOSTILE, HOSTILE, HOSTILE, HOSTILE, {}, None, HOSTILE, HOSTILE, labels)
    for text_format in FORMATS:
        for kind in KINDS:
            form = ReviewForm("Rules", kind, text_format=text_format)
            show(window, desk.publish(f"hostile-{text_format}-{kind}", [item], form))
            assert window.get_by_text(f'<img src="{THERE}image">'.replace("<", "<\u2060")).count() > 0
            assert outside == []


def test_this_would_be_noticed(url, page):
    """The same text in a record that did not come from the desk."""
    window, outside = page
    desk = ArgillaDesk(url, KEY, workspace="hostile")
    address = desk.publish("hostile-by-hand", [], ReviewForm("Rules"))
    raw = {"items": [{"fields": {"prompt": HOSTILE, "answer": "a"}}]}
    api(url).post(f"/datasets/{address.split('/')[-2]}/records/bulk", json=raw).raise_for_status()
    show(window, address)
    assert THERE + "image" in outside
