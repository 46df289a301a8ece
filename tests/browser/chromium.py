"""A headless Chromium that keeps nothing and asks nobody but the servers under test.

python -m tests.browser.chromium prints which program that would be, and ends with 1 where there is none.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "no Chromium on this machine, so the browser tests cannot run: `apt-get install chromium` "
    "(`make end-to-end` does it as root), or set TUNELOOP_CHROMIUM to a Chromium or Chrome"
)
ARGUMENTS = (
    "--no-sandbox",  # a sandbox needs rights that root in a container does not have; only our own pages are opened
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WINDOW = {"width": 1280, "height": 800}
PATIENCE_SECONDS = 60


def program() -> str | None:
    """Path of the browser; None: there is none."""
    named = os.environ.get("TUNELOOP_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS))
        yield browser
        browser.close()


def window(browser: Browser, *, scale: float = 1) -> BrowserContext:
    """A window of its own with no memory. Nothing but 127.0.0.1 can be reached: Argilla's page asks for web fonts."""
    context = browser.new_context(viewport=WINDOW, device_scale_factor=scale, locale="en-GB")
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    context.route(lambda url: not url.startswith("http://127.0.0.1:"), lambda route: route.abort())
    return context


if __name__ == "__main__":
    found = program()
    print(found or MISSING, file=sys.stdout if found else sys.stderr)
    sys.exit(found is None)
