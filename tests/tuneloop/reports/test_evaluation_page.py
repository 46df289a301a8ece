from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest

from tests.tuneloop.reports.evaluation_examples import (
    CARD,
    MAIL,
    PHONE,
    PLANTED,
    make_evaluated_round,
    make_report,
    metric,
    write_files,
)
from tests.tuneloop.reports.examples import make_round
from tests.tuneloop.reports.test_data_page import HOSTILE, Outline
from tuneloop.data.masking import shown
from tuneloop.reports.evaluation.page import render_evaluation_page, write_evaluation_page
from tuneloop.reports.evaluation.side_by_side import Answer, Failure, Pair, SideBySide, read_side_by_side
from tuneloop.reports.rounds import render_page, write_page
from tuneloop.results import Opinion, Reason, Round, Verdict
from tuneloop.results.search import CurvePoint, LearningCurve

NOTHING = SideBySide()


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    round_ = make_evaluated_round(tmp_path_factory.mktemp("evaluations"))
    write_files(round_)
    return render_evaluation_page(round_, [make_round(1), round_], read_side_by_side(round_, shown), reviewers=3)


def test_the_page_says_what_was_decided_and_why(page):
    text = Outline(page).text
    assert page.startswith("<!doctype html>")
    assert "Refused: 1 of 7 rules and checks does not hold: field_accuracy (label:category=returns)" in text
    assert "+0.540 [+0.440, +0.640]" in text
    assert "[0.610, 0.750]" in text  # an own score has no change
    assert "? open" in text
    assert "no test row or near-copy of one is among the training rows" in text


def test_every_section_that_was_promised_is_there(page):
    text = Outline(page).text
    for told in (
        "0.62 [0.54, 0.70]",  # the champion beside the others
        "a rule fails here",  # slices
        "format following",  # skills
        "jailbreak",  # red team by category
        "it should have refused",  # and its failures
        "gender",  # bias pairs by attribute
        "0.35 [0.27, 0.43]",  # the judge's kappa
        "151.00",  # speed
        "evaluation champion",  # cost
        "Gained most",  # examples
        "corrections by people",  # lineage
        "two cores",  # environment
        "pii_policy: redact",  # the recipe as it was
        "the extra `lm-eval` is not installed",  # what was not measured
    ):
        assert told in text


def test_the_page_asks_nothing_of_the_network_and_runs_nothing(page):
    outline = Outline(page)
    assert not re.search(r"https?://|@import|url\(", page)
    inside = ("data:image/png;base64,", "#", "report.html")
    assert all(address.startswith(inside) for address in outline.addresses)
    assert not outline.tags & {"script", "link", "iframe", "object"}


def test_everybody_can_read_the_page(page):
    outline = Outline(page)
    assert outline.headings.count("h1") == 1
    assert outline.captionless == 0
    assert len(outline.images) == 3  # rules, slices, loss
    assert all(len(image["alt"] or "") > 20 for image in outline.images)
    anchors = {address[1:] for address in outline.addresses if address.startswith("#")}
    assert anchors <= set(re.findall(r'id="(\w+)"', page))


def test_personal_data_in_any_text_is_masked(tmp_path):
    round_ = make_evaluated_round(tmp_path)
    texts = {name: f"{name}: write to {MAIL} or call {PHONE}, card {CARD}" for name in ("prompt", "answer", "expected")}
    write_files(round_, failure=f"it names {MAIL} and {PHONE}", **texts)
    page = write_evaluation_page(tmp_path, round_, [round_], partial(shown, characters=600)).read_text(encoding="utf-8")
    assert not [word for word in PLANTED if word in page]
    assert page.count("&lt;email&gt;") > 20


def test_nothing_from_the_data_is_taken_for_html(tmp_path):
    long = HOSTILE + "x" * 5000
    answers = tuple(Answer(name, long, 0.5) for name in ("base", "candidate"))
    examples = SideBySide(
        HOSTILE,
        "base",
        (Pair(HOSTILE, "best", 0.5, HOSTILE, HOSTILE, answers),),
        (Failure("red_team", HOSTILE, HOSTILE, HOSTILE, HOSTILE),),
        (HOSTILE,),
    )
    report = make_report(
        tmp_path,
        "candidate",
        0.5,
        metrics={HOSTILE: metric(0.5)},
        slices={HOSTILE: {HOSTILE: metric(0.5, 10)}},
        categories={f"red_team={HOSTILE}": {"red_team_passed": metric(0.5)}},
        unmeasured={HOSTILE: HOSTILE},
    )
    reason = Reason(rule=HOSTILE, passed=False, text=HOSTILE, slice=HOSTILE, metric=HOSTILE, candidate=0.5, change=0.1)
    round_ = make_evaluated_round(
        tmp_path,
        candidate=report,
        verdict=Verdict(decision="reject", reasons=[reason], candidate_hash="c", champion_hash=None),
        opinions=[Opinion(metric="human_rating", against="base", file="f", text=HOSTILE, may_count=False)],
        settings={"description": HOSTILE},
        environment={HOSTILE: HOSTILE},
    )
    page = render_evaluation_page(round_, [round_], examples, notices=[HOSTILE])
    assert "script" not in Outline(page).tags
    assert page.count("&lt;script&gt;") >= 20
    assert "script" not in Outline(render_page([round_])).tags


def test_text_that_runs_from_right_to_left_stays_in_its_place(tmp_path):
    pair = Pair("r1", "best", 0.5, "\u202eabc", "\u05d0\u05d1", (Answer("base", "\u05d0", None),))
    page = render_evaluation_page(make_round(1), [make_round(1)], SideBySide("m", "base", (pair,)))
    assert "<bdi>\u202eabc</bdi>" in page
    assert "<bdi>\u05d0</bdi>" in page


def test_a_round_of_old_that_knows_none_of_the_new_things_has_a_page():
    old = make_round(1)
    outline = Outline(render_evaluation_page(old, [old], NOTHING))
    assert "Promoted: the only rule holds." in outline.text
    assert "There was no champion to compare with" in outline.text
    assert "No slices were measured" in outline.text
    assert len(outline.images) == 1  # the loss


def test_empty_suites_and_a_recipe_without_rules_have_a_page(tmp_path):
    bare = {"metrics": {}, "suites": {}, "slices": {}, "categories": {}, "unmeasured": {}, "speed": None}
    reports = {name: make_report(tmp_path, name, 0.5, **bare) for name in ("base", "candidate")}
    verdict = Verdict(decision="needs_review", reasons=[], candidate_hash="c", champion_hash=None)
    round_ = make_evaluated_round(tmp_path, champion=None, opinions=[], settings={}, verdict=verdict, **reports)
    text = Outline(render_evaluation_page(round_, [round_], read_side_by_side(round_, shown))).text
    assert "No rule was checked" in text
    assert "No metric was measured." in text
    assert "No answers are shown" in text


def test_whether_more_rows_would_help_is_told_where_it_is_known():
    points = [CurvePoint(rows=60 * 2**i, loss=2.0 - i / 4, seconds=9.0) for i in range(3)]
    curve = LearningCurve(recipe="desk", data_version="d1", steps=20, validation_rows=24, points=points)
    text = Outline(render_evaluation_page(make_round(1), [make_round(1)], NOTHING, curve=curve)).text
    assert "Would more rows help?" in text


def test_the_page_is_replaced_whole_and_the_recipe_links_to_it(tmp_path: Path):
    round_ = make_evaluated_round(tmp_path)
    file = write_evaluation_page(tmp_path, round_, [round_], shown)
    assert file == tmp_path / "rounds/desk/0002-evaluation.html"
    assert write_evaluation_page(tmp_path, round_, [round_], shown).read_text(encoding="utf-8").endswith("</html>")
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    report = write_page(tmp_path, [make_round(1), round_]).read_text(encoding="utf-8")
    assert set(re.findall(r'href="([^"]+)"', report)) == {file.name}  # round 1 has no page
    assert "Forest plot of the latest verdict" in report


def test_characters_that_are_none_do_not_break_the_page(tmp_path):
    def unmasked(text: str) -> str:
        return text

    round_: Round = make_evaluated_round(tmp_path)
    write_files(round_, prompt="\ud800 half a character")
    assert "? half a character" in write_evaluation_page(tmp_path, round_, [round_], unmasked).read_text("utf-8")
