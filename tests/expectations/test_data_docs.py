from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from expectations.data_docs import without_outside, write_data_docs
from expectations.sft_suite import relation_suite, row_suite
from expectations.validating import validate
from tests.expectations.test_suites import ALONE, CHECKS, row_frame
from tuneloop.ports import Finding
from tuneloop.results import Check

pytestmark = pytest.mark.integration

LOADED_FROM_OUTSIDE = re.compile(r"(?i)<(?:link|script|img|iframe)\b[^>]*(?:src|href)\s*=\s*['\"]?(?:https?:)?//")
SECRET = "zanzibar xylophone"


def checks(suite: str, findings: list[Finding]) -> list[Check]:
    names = ("expectation", "reason", "column", "severity", "success", "count")
    return [Check(suite=suite, **{name: getattr(f, name) for name in names}) for f in findings]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pages of two suites, of which one had a row with text where only a word should be."""
    rows, relations = row_suite(CHECKS, max_tokens=100), relation_suite(CHECKS)
    found = validate(row_frame(answer_problem=SECRET, html_marks=4), rows)
    related = validate(pd.DataFrame([{"id": SECRET, **ALONE, "near_copy_of": SECRET}]), relations)
    folder = tmp_path_factory.mktemp("site") / "docs"
    write_data_docs(folder, [(rows, checks("rows", found), 3), (relations, checks("relations", related), 1)])
    return folder


def test_each_suite_has_its_pages_and_the_index_leads_to_them(site: Path) -> None:
    links = re.findall(r'href="([^"]+)"', (site / "index.html").read_text())

    assert len(links) == 4
    for link in links:
        assert (site / link.replace("%20", " ")).is_file()


def test_the_pages_say_what_was_found_in_words(site: Path) -> None:
    (page,) = (site / "validations" / "rows").rglob("*.html")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.read_text()))

    assert "bad_answer (quarantine): The answer does not have the form that the recipe asks for." in text
    assert "1 unexpected values found" in text
    assert "html_trace (warn)" in text


def test_no_value_of_a_row_is_in_any_file(site: Path) -> None:
    files = [f for f in site.rglob("*") if f.is_file()]

    assert len(files) > 4
    assert not [f for f in files if b"xylophone" in f.read_bytes()]


def test_no_page_asks_anything_of_the_outside(site: Path) -> None:
    for page in site.rglob("*.html"):
        html = page.read_text()
        assert not LOADED_FROM_OUTSIDE.search(html)
        assert "<script" not in html
        assert not re.search(r"url\(\s*['\"]?(?:https?:)?//", html)


def test_the_pages_keep_a_style(site: Path) -> None:
    assert all("font: 15px" in page.read_text() for page in site.rglob("*.html"))


@pytest.mark.parametrize(
    "element",
    [
        '<script src="https://a.example/x.js"></script>',
        "<SCRIPT>let a = 1;\n</SCRIPT>",
        '<link rel="stylesheet" href="https://a.example/x.css">',
        "<img src='https://a.example/x.png'/>",
        "<style>p { background: url('https://a.example/x.png') }</style>",
        '<a href="https://a.example/">',
    ],
)
def test_whatever_is_loaded_from_elsewhere_is_taken_out(element: str) -> None:
    html = without_outside(f"<html><head></head><body>before{element}text</a>after</body></html>")

    assert "a.example" not in html
    assert "script" not in html.lower()
    assert "before" in html
    assert "after" in html
