"""What a reviewer does on Argilla's page, found by what is written there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Locator, Page, Response, expect

Status = Literal["pending", "draft", "discarded", "submitted"]


class ReviewPage:
    """Argilla in one browser window, from the login on.

    Questions go by their names (`Question: rating` is what a screen reader hears), everything else by its visible text.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self._answers: list[Response] = []
        page.on("response", lambda answer: self._answers.append(answer))  # noqa: PLW0108 (Playwright takes no built-in)

    def heard(self) -> list[str]:
        """All that the server has told this window, but for its files."""
        return [answer.text() for answer in self._answers if "/api/" in answer.url]

    def log_in(self, username: str, password: str) -> None:
        self.page.goto(self._url)
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Your datasets").wait_for()

    def open(self, review_set: str) -> None:
        self.page.get_by_role("heading", name=review_set, exact=True).click()
        self.form.wait_for()

    def reopen(self) -> None:
        """Open the set anew, with no filter or search."""
        self.page.goto(self.page.url.partition("?")[0])
        self.form.wait_for()

    @property
    def form(self) -> Locator:
        return self.page.get_by_role("form", name="Annotation Questions")

    @property
    def record(self) -> Locator:
        """The record that is shown, and the controls above it."""
        return self.page.get_by_role("region", name="Focus Annotation View")

    @property
    def side_by_side(self) -> Locator:
        """Two texts beside each other, in a frame of their own."""
        return self.record.frame_locator("iframe").locator("body")

    def question(self, name: str) -> Locator:
        return self.form.get_by_label(f"Question: {name}", exact=True)

    def rate(self, name: str, value: int) -> None:
        self.question(name).get_by_text(str(value), exact=True).click()

    def choose(self, name: str, *labels: str) -> None:
        for label in labels:
            self.question(name).get_by_role("button", name=label, exact=True).click()

    def write(self, name: str, text: str) -> None:
        """Replace what stands in a text question."""
        self.question(name).get_by_role("textbox").click()
        self.page.keyboard.press("Control+A")
        self.page.keyboard.insert_text(text)

    def submit(self) -> None:
        self._press("Submit")

    def save_draft(self) -> None:
        self._press("Save as draft")

    def discard(self) -> None:
        self._press("Discard")

    def expect_chosen(self, name: str, label: str | int) -> None:
        expect(self.question(name).locator(f'input[name="{label}"]')).to_be_checked()

    def expect_text(self, name: str, text: str) -> None:
        expect(self.question(name).get_by_role("textbox")).to_have_text(text)

    def show(self, status: Status) -> None:
        """Records of this status, as far as this reviewer is concerned."""
        self.record.locator("[data-title=Status]").click()
        self.record.get_by_role("radiogroup").get_by_text(status, exact=True).click()
        self.page.wait_for_url(re.compile(f"status={status}"))

    def search(self, words: str) -> None:
        if not self.record.get_by_role("search").is_visible():
            self.record.get_by_role("button", name="Search").click()
        self.record.get_by_role("search").fill(words)
        self.record.get_by_role("search").press("Enter")

    def filter_by_number(self, name: str, at_most: int) -> None:
        """Only records whose number in the metadata is at most this."""
        self._button("Filters").click()
        self._button("Metadata").click()
        self._button(name).click()
        self.record.get_by_role("spinbutton").last.fill(str(at_most))
        self.press("Enter")
        self.page.wait_for_url(re.compile("metadata="))

    def sort_by(self, name: str) -> None:
        self._button("Sort").click()
        self.record.get_by_role("listitem", name=name).get_by_role("button").click()
        self.page.wait_for_url(re.compile("sort="))
        self._button("Sort").click()  # an open menu lies over the page

    def find_similar(self) -> None:
        self.record.get_by_role("button", name="Find similar").click()

    def go_to(self, text: str) -> None:
        """The record with this text, one after the other."""
        while not self.record.get_by_text(text).is_visible():
            before = self.record.get_by_label("Current Record").inner_text()
            self.record.get_by_role("button", name="Next").click()
            expect(self.record.get_by_label("Current Record")).not_to_have_text(before)

    def show_metadata(self) -> None:
        self.record.get_by_role("button", name="Expand Record Dropdown").last.click()
        self._button("View metadata").click()

    def expect_record(self, text: str) -> None:
        """The record that is shown holds this text."""
        expect(self.record).to_contain_text(text)

    def expect_status(self, status: Status) -> None:
        expect(self.record.get_by_label("Status of Record")).to_have_text(status)

    def expect_count(self, count: int) -> None:
        """So many records are in what was asked for."""
        expect(self.record.get_by_label("Total Records")).to_have_text(f"of {count}")

    def expect_nothing(self, status: Status) -> None:
        """No record of this status is left in what was asked for."""
        expect(self.record.get_by_text(re.compile(f"You.* have no {status} records|task is completed"))).to_be_visible()

    def expect_submitted(self, count: int) -> None:
        """How many answers the page counts as this reviewer's."""
        expect(self.page.get_by_role("listitem").filter(has_text=re.compile(r"^\s*submitted"))).to_contain_text(
            str(count)
        )

    def press(self, keys: str) -> None:
        self.page.keyboard.press(keys)

    def answer_by(self, keys: str) -> None:
        """Press keys that submit, save or discard."""
        with self._taken():
            self.press(keys)

    def _button(self, name: str) -> Locator:
        """The button that opens a menu lies in a second element of the same role."""
        return self.record.get_by_role("button", name=name, exact=True).last

    def _press(self, action: str) -> None:
        with self._taken():
            self.form.get_by_role("button", name=action).click()

    @contextmanager
    def _taken(self) -> Iterator[None]:
        """What is done in the block is not over before the server has taken the answer."""
        with self.page.expect_response(lambda answer: "/responses" in answer.url) as taken:
            yield
        assert taken.value.ok, taken.value.text()
