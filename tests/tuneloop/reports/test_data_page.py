from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.tuneloop.reports.data_examples import check, example, make_manifest, make_slice
from tuneloop.lineage.data_diff import diff
from tuneloop.reports.data.page import render_data_page
from tuneloop.reports.data.plots import draw_slices
from tuneloop.results import Cluster, Origin

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>"
UNDRAWN = {"steps": [], "slices": [], "lengths": {}}
VOID = {"meta", "img", "br", "link", "input"}


class Outline(HTMLParser):
    """Collects what a page is made of, and that every tag is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.captionless = 0
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.captionless += tag == "table"
        self.captionless -= tag == "caption"
        if tag == "img":
            self.images.append(dict(attrs))
        if tag in {"h1", "h2", "h3"}:
            self.headings.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


@pytest.fixture(scope="module")
def page() -> str:
    parent = make_manifest("parent000000", rows_in=1200, rows_quarantined=100)
    return render_data_page(make_manifest(parents=["parent000000"]), parent)


def test_the_page_tells_what_the_version_is_and_how_it_went(page):
    text = Outline(page).text
    assert page.startswith("<!doctype html>")
    for told in (
        "a1b2c3d4e5f6",
        "2026-11-22T10:00:00Z",
        "0123abc",
        "parent000000",
        "nothing blocks",
        "max_tokens: 512",
    ):
        assert told in text


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(page):
    outline = Outline(page)
    assert not re.search(r"https?://|@import|url\(", page)
    assert outline.addresses
    assert all(address.startswith("data:image/png;base64,") for address in outline.addresses)
    assert not outline.tags & {"script", "link", "iframe", "object"}


def test_everybody_can_read_the_page(page):
    outline = Outline(page)
    assert outline.headings[0] == "h1"
    assert outline.headings.count("h1") == 1
    assert outline.captionless == 0
    assert len(outline.images) == 3
    assert all(len(image["alt"] or "") > 20 for image in outline.images)
    assert '<html lang="en">' in page


def test_every_section_that_was_promised_is_there(page):
    text = Outline(page).text
    for told in (
        "near copy 60, leakage 10",  # the funnel
        "The row holds personal data or a secret.",  # checks in plain words
        "3 rows, kept",  # clusters
        "billing",  # slices
        "fidelity median",  # synthetic rows
        "ffffffffffff",  # sources with hashes
        "Since version",  # changes
    ):
        assert told in text


def test_nothing_from_the_data_is_taken_for_html():
    bad = example(text=HOSTILE, related=HOSTILE)
    page = render_data_page(
        make_manifest(
            checks=[check(HOSTILE, examples=[bad])],
            clusters=[Cluster(size=2, kept=bad, removed=[bad])],
            slices=[make_slice(HOSTILE, by=HOSTILE)],
            sources=[Origin(name=HOSTILE, path=HOSTILE, rows=1)],
            reasons={HOSTILE: 134},
            config={"a": HOSTILE},
            synthetic={HOSTILE: 1.0},
            commit=HOSTILE,
            parents=[HOSTILE],
        ),
        make_manifest(HOSTILE, config={"b": HOSTILE}),
    )
    outline = Outline(page)
    assert "script" not in outline.tags
    assert all(a.startswith("data:image/png;base64,") for a in outline.addresses)
    assert page.count("&lt;script&gt;") >= 10


def test_a_moved_row_is_an_alarm_on_the_page():
    old, new = make_manifest("old", **UNDRAWN), make_manifest("new", parents=["old"], **UNDRAWN)
    found = diff(old, new, {"test": {"row-7": ""}}, {"train": {"row-7": ""}})
    text = Outline(render_data_page(new, old, found)).text
    assert "Rows in another split than before: 1." in text
    assert "row-7" in text
    assert "than before" not in Outline(render_data_page(new, old, diff(old, new, {}, {}))).text


def test_rows_that_came_and_went_are_told_where_they_are_known():
    old, new = make_manifest("old", **UNDRAWN), make_manifest("new", parents=["old"], **UNDRAWN)
    found = diff(old, new, {"train": {"a": ""}}, {"train": {"b": "", "c": ""}})
    assert "Rows of each split by id" in Outline(render_data_page(new, old, found)).text
    assert "are the same" in Outline(render_data_page(new, old)).text


def test_a_version_with_nothing_to_show_still_has_a_page():
    bare = make_manifest(
        steps=[], checks=[], clusters=[], slices=[], lengths={}, synthetic={}, sources=[], reasons={}, rows={}
    )
    outline = Outline(render_data_page(bare, None))
    assert outline.images == []
    assert "do not add up" in outline.text
    assert "first version" in outline.text


@pytest.mark.parametrize("value", ["$\\frac{$", "a $5 b $6", "", "x" * 500, "\x00\n"])
def test_a_label_is_never_a_formula_nor_too_long_to_draw(value):
    assert draw_slices([{"value": value, "rows": 3, "remark": ""}]).startswith(b"\x89PNG")
