from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.tuneloop.reports.review_examples import empty_summary, make_reviewer, make_set, make_summary
from tuneloop.reports.review import (
    draw_agreement,
    draw_ratings,
    draw_reliability,
    draw_times,
    print_review,
    read_summaries,
    remark,
    render_review_page,
    reviewer_rows,
    seconds,
    write_review_page,
)
from tuneloop.results import ReviewSummary

HOSTILE = "<img src=x onerror=alert(1)>"


def words_of(page: str) -> str:
    """What a reader sees, on one line."""
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def told(summary: ReviewSummary) -> str:
    stream = io.StringIO()
    print_review(summary, Console(file=stream, width=400))
    return stream.getvalue()


@pytest.mark.parametrize(
    "expected",
    [
        "40 answers in 1 sets; 4 records and 1 conflicts wait for people",
        "desk-round-1: 4 of 24 records wait for reviewer-3f9a2c41aa01 (4)",
        "20 of 24",
        "3.50 [2.90, 4.10]",
        "0.71 [0.50, 0.85]",
        "ratings far apart",
        "3 of 4",
        "75%",
        "word does not count, fast compared with the others",
        "reviewers disagree, and nobody has decided yet",
        "14 rows came from people, 2 of them were set aside",
        "had 1 rows of other sources left out and 2 mended",
        "The row holds personal data or a secret.",
        "The judge counts.",
    ],
)
def test_page_and_terminal_show_the_same(expected: str) -> None:
    assert expected in words_of(render_review_page(make_summary()))
    assert expected in told(make_summary())


def test_the_page_has_its_four_pictures_and_asks_nothing_of_anybody() -> None:
    page = render_review_page(make_summary())
    assert page.count("data:image/png;base64,") == 4
    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page) == ["http://127.0.0.1:6900/dataset/1/annotation-mode"]


def test_a_review_in_which_nobody_has_said_anything_is_a_page_too() -> None:
    page = words_of(render_review_page(empty_summary()))
    assert "Nobody: all that was put before people has been answered." in page
    assert "No data version has been made yet" in page
    assert "base64" not in render_review_page(empty_summary())
    assert "0 answers in 0 sets" in told(empty_summary())


def test_what_comes_from_outside_is_no_markup() -> None:
    sets = [make_set(HOSTILE, url=f'javascript:alert(1)"{HOSTILE}')]
    page = render_review_page(make_summary(sets=sets, waits=[HOSTILE], issues={HOSTILE: 1}, discards={HOSTILE: 1}))
    assert "<img src=x" not in page


def test_pictures_are_left_out_where_there_is_nothing_to_draw() -> None:
    bare = make_set(rating=None)
    untimed = make_reviewer(seconds=[], median_seconds=None, pace=None)
    assert draw_agreement(make_summary().agreement[1:]) == b""
    assert draw_ratings([bare], []) == b""
    assert draw_times([untimed]) == b""
    assert draw_reliability([]) == b""


def test_times_are_told_as_people_say_them() -> None:
    assert [seconds(value) for value in (None, 7.4, 119, 260)] == ["-", "7 s", "119 s", "4 min"]
    assert remark(make_reviewer()) == ""
    assert reviewer_rows(make_summary())[0]["with decisions"] == "-"


def test_the_summary_is_kept_beside_the_page_and_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "feedback" / "desk"
    page = write_review_page(folder, make_summary())
    assert page.read_text().startswith("<!doctype html>")
    assert read_summaries(tmp_path) == [(folder, make_summary())]


def test_a_summary_of_another_release_is_passed_over(tmp_path: Path) -> None:
    write_review_page(tmp_path / "feedback" / "desk", make_summary())
    (tmp_path / "feedback" / "desk" / "summary.json").write_text('{"recipe": "desk"}')
    assert read_summaries(tmp_path) == []
