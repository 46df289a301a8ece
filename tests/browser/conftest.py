"""One Argilla server and one Chromium for all browser tests; each test has a review set and windows of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Protocol

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import MISSING, chromium, program, window
from tests.browser.mossgate import RECIPE, review_form, review_items
from tests.browser.review_page import ReviewPage
from tests.tuneloop.adapters.argilla_server import KEY, running_argilla
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.teams import ensure_annotator
from tuneloop.recipes import Recipe, load_recipe

PASSWORD = "a-long-password"
_numbers = count(1)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if program() is None:
        pytest.skip(MISSING)
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def url(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the server. It asks for the browser first: without one, no server need start."""
    with running_argilla(tmp_path_factory.mktemp("argilla")) as address:
        yield address


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return load_recipe(RECIPE)


@pytest.fixture
def backend(url: str) -> ArgillaBackend:
    return ArgillaBackend(url, KEY)


@pytest.fixture
def review_set(backend: ArgillaBackend, recipe: Recipe) -> str:
    """Name of a set of ten answers that nobody has looked at."""
    name = f"support-desk-round-{next(_numbers)}"
    backend.publish(name, review_items(), review_form(recipe))
    return name


class Reviewer(Protocol):
    def __call__(self, username: str, opening: str | None = None) -> ReviewPage:
        """Log in, in a window of one's own, and open a review set: the test's, unless another is named."""
        ...


@pytest.fixture
def reviewer(url: str, browser: Browser, review_set: str) -> Iterator[Reviewer]:
    windows = []

    def logged_in(username: str, opening: str | None = None) -> ReviewPage:
        ensure_annotator(url, KEY, username, PASSWORD)
        windows.append(window(browser))
        page = ReviewPage(windows[-1].new_page(), url)
        page.log_in(username, PASSWORD)
        page.open(opening or review_set)
        return page

    yield logged_in
    for opened in windows:
        opened.close()
