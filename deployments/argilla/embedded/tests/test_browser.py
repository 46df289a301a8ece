"""The web page in a real browser: it works under its policy, and it asks nobody outside."""

import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from running import Annotator, Dataset, Server, publish, unique

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
HOSTILE = """A **bold** claim ![picture](http://markdown.example/x.png) <img src="https://image.example/y.png"
onerror="alert('event')"> <script>alert('script')</script> <iframe src="https://frame.example/"></iframe>
<style>@import url(https://style.example/a.css); body {background: url(https://background.example/b.png)}</style>
<object data="https://object.example/o"></object> <video src="https://video.example/v.mp4" autoplay></video>
<link rel="stylesheet" href="https://link.example/c.css"> $' $` $&"""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")]


@dataclass
class Outside:
    """A proxy for everything that is not on the loopback; it answers nothing and remembers who was asked for."""

    port: int
    asked: list[str] = field(default_factory=list)

    def of_records(self) -> list[str]:
        """The browser itself asks its maker for things; only the records name hosts that end like this."""
        return [line for line in self.asked if ".example" in line]


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    class Refusal(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            opened.asked.append(self.requestline)
            self.send_error(502)

        do_POST = do_CONNECT = do_HEAD = do_GET  # noqa: N815  the names of the base class

        def log_message(self, *arguments: object) -> None:
            pass

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    opened = Outside(proxy.server_port)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    yield opened
    proxy.shutdown()
    proxy.server_close()


@dataclass
class Visit:
    """One annotator's browser window and what went on in it."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self) -> "Visit":
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda line: self.complaints.append(line.text) if line.type == "error" else None)
        self.page.on("dialog", self._close)
        return self

    def _close(self, dialog: Any) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def log_in(self, server: Server, username: str, password: str) -> None:
        self.page.goto(server.url)
        self.page.locator("input[type=text]").fill(username)
        self.page.locator("input[type=password]").fill(password)
        self.page.keyboard.press("Enter")
        self.page.get_by_text("Your datasets").wait_for()

    def open(self, dataset: Dataset) -> None:
        self.page.goto(f"{dataset.server.url}/dataset/{dataset.id}/annotation-mode")
        self.page.get_by_text("Submit", exact=True).wait_for()

    def foreign(self) -> list[str]:
        asked = {urlsplit(url) for url in self.requests}
        return [url.geturl() for url in asked if url.scheme not in ("data", "blob") and url.hostname != "127.0.0.1"]


@pytest.fixture
def visit(outside: Outside) -> Iterator[Visit]:
    playwright = pytest.importorskip("playwright.sync_api")
    proxied = [f"--proxy-server=127.0.0.1:{outside.port}", "--proxy-bypass-list=127.0.0.1"]
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *proxied])
        page = browser.new_page()
        page.set_default_timeout(60_000)
        yield Visit(page).watch()
        browser.close()


def _reviewer(dataset: Dataset, visit: Visit) -> Annotator:
    annotator = dataset.annotator()
    visit.log_in(dataset.server, annotator.username, "a-long-password")
    return annotator


def test_an_annotator_works_without_a_request_to_anybody_else(visit: Visit, dataset: Dataset, tmp_path: Path) -> None:
    dataset.log({"fields": {"prompt": "Is it *good*?", "history": [{"role": "user", "content": "Hello"}]}})
    annotator = _reviewer(dataset, visit)
    visit.open(dataset)
    visit.page.get_by_text("Hello").wait_for()
    visit.page.get_by_text("4", exact=True).click()
    visit.page.get_by_text("Submit", exact=True).click()
    visit.page.get_by_text("100.00%").wait_for()
    visit.page.goto(f"{dataset.server.url}/user-settings")
    visit.page.get_by_text(annotator.username).first.wait_for()
    visit.page.screenshot(path=tmp_path / "settings.png")
    assert dataset.progress()["completed"] == 1
    assert visit.foreign() == []
    assert visit.complaints == []


def test_a_page_that_shows_similar_records_can_be_loaded_again(visit: Visit, embedded: Server) -> None:
    dataset = publish(embedded, vectors={"meaning": 2})
    dataset.log(*({"fields": {"prompt": "x"}, "vectors": {"meaning": [number, 1]}} for number in range(3)))
    _reviewer(dataset, visit)
    visit.open(dataset)
    visit.page.get_by_role("button", name="Find similar").click()
    visit.page.get_by_text("1 of 2", exact=True).wait_for()
    visit.page.reload()
    visit.page.get_by_text("1 of 2", exact=True).wait_for()
    assert visit.complaints == []


def test_a_record_neither_calls_home_nor_runs_a_script(visit: Visit, server: Server, outside: Outside) -> None:
    dataset = _publish_fields(server, prompt=MARKDOWN, picture={"type": "image"}, history={**CHAT, **MARKED})
    dataset.log(_hostile_record())
    _reviewer(dataset, visit)
    visit.open(dataset)
    visit.page.get_by_text("bold", exact=True).first.wait_for()
    visit.page.wait_for_load_state("networkidle")
    assert visit.foreign() != [], "the page did not even try: the record was not shown"
    assert outside.of_records() == []
    assert visit.dialogs == []


def test_a_custom_field_runs_its_own_script_and_none_of_the_record(
    visit: Visit, tmp_path: Path, outside: Outside
) -> None:
    server = Server(tmp_path / "custom").start()
    try:
        template = "<b id='shown'>{{record.fields.card.name}}</b>"
        script = "<script>shown.innerText = record.fields.wild.name</script>"
        card = {"type": "custom", "template": template, "advanced_mode": False}
        wild = {"type": "custom", "template": f"<b id='shown'></b>{script}", "advanced_mode": True}
        dataset = _publish_fields(server, prompt=MARKDOWN, card=card, wild=wild)
        named = {"name": f"Ada {HOSTILE}"}
        dataset.log({"fields": {"prompt": HOSTILE, "card": named, "wild": named}})
        _reviewer(dataset, visit)
        visit.open(dataset)
        for number in range(2):
            shown = visit.page.frame_locator("iframe").nth(number).locator("#shown")
            assert shown.inner_text().startswith("Ada A **bold**")
        visit.page.wait_for_load_state("networkidle")
    finally:
        server.end()
    assert outside.of_records() == []
    assert visit.dialogs == []


MARKED = {"use_markdown": True}
MARKDOWN = {"type": "text", **MARKED}
CHAT = {"type": "chat"}


def _hostile_record() -> dict[str, Any]:
    said = [{"role": "user", "content": HOSTILE}]
    return {"fields": {"prompt": HOSTILE, "picture": "https://field.example/z.png", "history": said}}


def _publish_fields(server: Server, **fields: dict[str, Any]) -> Dataset:
    client = server.client()
    workspace = client.post("/workspaces", json={"name": unique("workspace")}).json()["id"]
    dataset = client.post("/datasets", json={"name": unique("dataset"), "workspace_id": workspace}).json()["id"]
    for name, settings in fields.items():
        body = {"name": name, "title": name, "required": name == "prompt", "settings": settings}
        client.post(f"/datasets/{dataset}/fields", json=body)
    quality = {"type": "rating", "options": [{"value": value} for value in range(1, 4)]}
    body = {"name": "quality", "title": "quality", "required": True, "settings": quality}
    client.post(f"/datasets/{dataset}/questions", json=body)
    client.put(f"/datasets/{dataset}/publish")
    return Dataset(dataset, workspace, client, server)
