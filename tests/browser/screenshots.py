"""The pictures in docs/annotators.md, taken anew from a real server: python -m tests.browser.screenshots [FOLDER]"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, Locator, Page

from tests.browser import mossgate
from tests.browser.chromium import MISSING, chromium, program, window
from tests.browser.mossgate import BARBECUE, CARD, HEATER
from tests.browser.review_page import ReviewPage
from tests.tuneloop.adapters.argilla_server import KEY, running_argilla
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.adapters.argilla.teams import invite
from tuneloop.ports import ReviewItem
from tuneloop.recipes import load_recipe

FOLDER = Path("docs/images/annotators")
ANSWERS, PAIRS = "support-desk-round-2", "support-desk-preference-2"
WIDTH, LOW, TALL = 1280, 540, 1000
COLOURS = 256
SETTLED_MILLISECONDS = 700
BADGE = """([x, y, number]) => {
  const badge = document.createElement("div")
  badge.className = "badge-of-a-picture"
  badge.textContent = number
  badge.style.cssText = `position: fixed; left: ${x}px; top: ${y}px; z-index: 99999; width: 26px; height: 26px;
    border-radius: 13px; background: #b3261e; color: #fff; font: bold 15px/26px sans-serif; text-align: center;
    box-shadow: 0 0 0 2px #fff`
  document.body.append(badge)
}"""
NO_BADGES = "() => document.querySelectorAll('.badge-of-a-picture').forEach(badge => badge.remove())"
Shoot = Callable[..., None]


def take_all(folder: Path) -> None:
    """Take every picture; the folder is made if it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as home, running_argilla(Path(home)) as url, chromium() as browser:
        publish(url)
        password = str(invite(url, KEY, "robin", "tuneloop").password)
        with a_page(browser, url) as robin:
            shoot = camera(robin.page, folder)
            coming_in(robin, url, password, shoot)
            robin.open(ANSWERS)
            finding(robin, shoot)
            answering(robin, shoot)
            looking_back(robin, shoot)
            robin.page.get_by_role("link", name="Home").click()
            robin.open(PAIRS)
            robin.expect_count(2)
            robin.page.set_viewport_size({"width": WIDTH, "height": 800})
            robin.side_by_side.wait_for()
            shoot("pair")


def publish(url: str) -> None:
    form, backend = mossgate.review_form(load_recipe(mossgate.RECIPE)), ArgillaBackend(url, KEY)
    backend.publish(PAIRS, [pair(CARD), pair(HEATER)], replace(form, kind="preference"))
    backend.publish(ANSWERS, mossgate.review_items(), form)


def pair(item: str) -> ReviewItem:
    """The imagined model's answer beside a better one of another model."""
    found = mossgate.review_item(item)
    return replace(found, alternative=mossgate.right_answer(item), alternative_model="another")


@contextmanager
def a_page(browser: Browser, url: str) -> Iterator[ReviewPage]:
    opened = window(browser)
    yield ReviewPage(opened.new_page(), url)
    opened.close()


def coming_in(robin: ReviewPage, url: str, password: str, shoot: Shoot) -> None:
    robin.page.set_viewport_size({"width": WIDTH, "height": LOW})
    robin.page.goto(url)
    robin.page.get_by_label("Username").fill("robin")
    robin.page.get_by_label("Password").fill(password)
    shoot("sign-in")
    robin.log_in("robin", password)
    robin.page.get_by_role("heading", name=ANSWERS).wait_for()
    shoot("home")


def finding(robin: ReviewPage, shoot: Shoot) -> None:
    robin.page.set_viewport_size({"width": WIDTH, "height": 620})
    robin.search("lamp | heater")
    robin.filter_by_number("answer words", at_most=45)
    robin.expect_count(2)
    shoot("search", of=robin.record)
    robin.reopen()
    robin.sort_by("answer words")  # the shortest is about the heater
    robin.expect_record(mossgate.message(HEATER))
    robin.find_similar()
    robin.expect_record(mossgate.message(BARBECUE))
    shoot("similar", of=robin.record)
    robin.reopen()


def answering(robin: ReviewPage, shoot: Shoot) -> None:
    robin.page.set_viewport_size({"width": WIDTH, "height": TALL})
    robin.go_to(mossgate.message(BARBECUE))
    titles = [robin.question(name).locator("[aria-label]").first for name in ("rating", "issues", "correction", "flag")]
    shoot(
        "record",
        beside=[
            robin.record.get_by_text("The message"),
            robin.record.get_by_text("The model's answer"),
            *titles,
            robin.record.get_by_label("Current Record"),
        ],
        on=[
            robin.form.get_by_role("button", name="Submit"),
            robin.record.locator("[data-title=Status]"),
            robin.page.get_by_role("button", name="Expand Panel").first.locator("svg"),
            robin.page.get_by_role("button", name="Expand Panel").last.locator("svg"),
        ],
    )
    robin.rate("rating", 1)
    robin.choose("issues", "wrong urgency", "unsafe")
    robin.write("correction", mossgate.right_answer(BARBECUE))
    shoot("answered", of=robin.form)
    robin.submit()


def looking_back(robin: ReviewPage, shoot: Shoot) -> None:
    robin.reopen()
    robin.expect_count(9)
    robin.page.set_viewport_size({"width": WIDTH, "height": 800})
    guidelines = robin.page.get_by_text("Guidelines", exact=True).first
    guidelines.click()
    robin.page.get_by_text("House rules").wait_for()
    shoot("guidelines")
    guidelines.click()
    robin.page.get_by_role("button", name="Expand Panel").last.click()
    robin.record.locator("[data-title=Status]").click()
    robin.record.get_by_role("radiogroup").wait_for()
    shoot("progress")


def camera(page: Page, folder: Path) -> Shoot:
    """Takes pictures in few colours, with numbered badges: first those `beside` a text, then those `on` a corner."""

    def shoot(
        name: str, *, of: Locator | None = None, beside: Sequence[Locator] = (), on: Sequence[Locator] = ()
    ) -> None:
        page.mouse.move(5, 400)  # off every button, whose tooltip would lie over the next one
        page.wait_for_load_state("networkidle")
        page.wait_for_timeout(SETTLED_MILLISECONDS)
        for number, mark in enumerate([*beside, *on], 1):
            box = mark.bounding_box()
            assert box is not None
            left, up = (30, 3) if number <= len(beside) else (14, 14)
            page.evaluate(BADGE, [box["x"] - left, box["y"] - up, str(number)])
        taken = (of or page).screenshot(caret="hide")
        page.evaluate(NO_BADGES)
        picture = Image.open(BytesIO(taken)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        picture.save(folder / f"{name}.png", optimize=True)

    return shoot


if __name__ == "__main__":
    if program() is None:
        sys.exit(MISSING)
    take_all(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
