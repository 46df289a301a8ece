from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer, ReviewItem
from tuneloop.recipes import Adjudication
from tuneloop.review.adjudication import case_id, mark_published, new_cases
from tuneloop.review.collecting import collect, examined
from tuneloop.review.judging import conflicts_among
from tuneloop.review.ledger import read_ledger
from tuneloop.review.rows import read_rows

LIMITS = Adjudication()
ONE, OTHER = "We are tracing it.", "Please ask the carrier!"
SET = "desk-adjudication-1"


def by_b(**changes: Any) -> ReviewAnswer:
    return said(**{"response_id": "r2", "reviewer": "reviewer-b"} | changes)


def compared(preferred: str, **changes: Any) -> ReviewAnswer:
    return by_b(kind="preference", alternative="It left.", preferred=preferred, rating=None, correction=None, **changes)


DISAGREEING: list[tuple[str, list[ReviewAnswer]]] = [
    ("rating_gap", [said(rating=1, correction=None), by_b(rating=3, correction=None)]),
    ("opposite_preference", [compared("answer"), compared("alternative", response_id="r1", reviewer="reviewer-a")]),
    ("flagged_by_some", [said(), by_b(issues=("flag:harmful",))]),
    ("different_corrections", [said(correction=ONE), by_b(correction=OTHER)]),
    ("left_out_by_some", [said(labels={"fit": "keep"}), by_b(labels={"fit": "leave_out"})]),
]


@pytest.mark.parametrize(("kind", "answers"), DISAGREEING)
def test_what_a_conflict_is(kind, answers):
    assert conflicts_among(answers, LIMITS) == (kind,)


@pytest.mark.parametrize(
    "answers",
    [
        [],
        [said()],
        [said(rating=2), by_b(rating=3)],
        [said(rating=1), by_b(rating=None)],
        [compared("answer"), compared("tie", response_id="r1", reviewer="reviewer-a")],
        [said(issues=("flag:harmful",)), by_b(issues=("flag:personal_data",))],
        [said(correction=ONE), by_b(correction=None)],
        [said(correction=ONE), by_b(correction="We're tracing it.")],
    ],
)
def test_what_no_conflict_is(answers):
    assert conflicts_among(answers, LIMITS) == ()


def test_the_limits_are_the_recipes():
    answers = [said(rating=1, correction=ONE), by_b(rating=3, correction=OTHER)]
    assert conflicts_among(answers, Adjudication(rating_gap=3, correction_similarity=0.1)) == ()


def test_two_pages_are_compared_in_no_time():
    pages = [" ".join(f"{word}{n}" for n in range(3000)) for word in ("alpha", "beta")]
    assert conflicts_among([said(correction=pages[0]), by_b(correction=pages[1])], LIMITS) == ("different_corrections",)
    assert conflicts_among([said(correction=pages[0]), by_b(correction=pages[0] + " end")], LIMITS) == ()


def waiting(folder: Path, answers: list[ReviewAnswer], most: int = 10) -> dict[str, list[ReviewItem]]:
    collect(answers, folder=folder)
    found = examined(list(read_ledger(folder).values()), folder=folder)
    return new_cases(folder, found.waiting, recipe="desk", most=most)


DISPUTED = [said(correction=ONE, rating=1), by_b(correction=OTHER, rating=2)]


def test_a_conflict_is_put_before_an_adjudicator_with_both_versions_and_without_names(tmp_path):
    ((name, (item,)),) = waiting(tmp_path, DISPUTED).items()
    assert name == SET
    assert {item.answer, item.alternative} == {ONE, OTHER}
    assert (item.labels["original"], item.labels["conflict"]) == ("No idea.", "different_corrections")
    told = {item.labels["reviewer_a"], item.labels["reviewer_b"]}
    assert told == {
        "rated it 1 of 5; noted voice; would have written: We are tracing it.",
        "rated it 2 of 5; noted voice; would have written: Please ask the carrier!",
    }
    assert "reviewer-a" not in str(item)
    assert "reviewer-b" not in str(item)


def test_a_publication_that_was_cut_off_is_repeated_and_one_that_was_not_is_not(tmp_path):
    first = waiting(tmp_path, DISPUTED)
    assert waiting(tmp_path, DISPUTED) == first
    mark_published(tmp_path, SET, first[SET])
    assert waiting(tmp_path, DISPUTED) == {}


def many(count: int) -> list[ReviewAnswer]:
    return [
        said(response_id=f"{who}{n}", item_id=f"i{n}", prompt=f"p{n}", reviewer=f"reviewer-{who}", correction=text)
        for n in range(count)
        for who, text in (("a", ONE), ("b", OTHER))
    ]


def test_a_set_is_filled_before_the_next_is_begun(tmp_path):
    sizes = {name: len(items) for name, items in waiting(tmp_path, many(3), most=2).items()}
    assert sizes == {SET: 2, "desk-adjudication-2": 1}
    later = waiting(tmp_path, many(4), most=2)
    assert {name: len(items) for name, items in later.items()} == {SET: 2, "desk-adjudication-2": 2}


def decided(item: ReviewItem, **changes: Any) -> ReviewAnswer:
    return said(
        **{
            "response_id": "d1",
            "item_id": item.id,
            "review_set": SET,
            "kind": "adjudication",
            "reviewer": "reviewer-c",
            "submitted_at": "2026-11-02T10:00:00+00:00",
            "answer": item.answer,
            "alternative": item.alternative,
            "rating": 1,
            "issues": (),
            "correction": None,
        }
        | changes
    )


def case(folder: Path, answers: list[ReviewAnswer] | None = None) -> ReviewItem:
    ((item,),) = waiting(folder, answers or DISPUTED).values()
    return item


def test_nothing_is_learned_before_the_decision_and_the_chosen_version_after_it(tmp_path):
    item = case(tmp_path)
    assert read_rows(tmp_path / "corrections.jsonl") == []
    side = "answer" if item.answer == ONE else "alternative"
    report = collect([decided(item, preferred=side)], folder=tmp_path)
    (row,) = read_rows(tmp_path / "corrections.jsonl")
    assert (row["id"], row["completion"]) == ("review/desk-round-1/i1", ONE)
    assert (row["extra"]["reviewer"], row["extra"]["adjudicator"]) == ("reviewer-a", "reviewer-c")
    assert (report.conflicts_waiting, report.conflicts_decided, report.responses) == (0, 1, 3)
    assert [r["rejected"] for r in read_rows(tmp_path / "preferences.jsonl")] == ["No idea."]


def test_an_adjudicator_may_write_a_version_of_their_own(tmp_path):
    collect([decided(case(tmp_path), correction="It left today.", labels={"verdict": "neither"})], folder=tmp_path)
    (row,) = read_rows(tmp_path / "corrections.jsonl")
    assert (row["completion"], row["extra"]["reviewer"]) == ("It left today.", "reviewer-c")


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": {"verdict": "neither"}},
        {"issues": ("flag:unanswerable",), "preferred": "answer"},
        {"status": "discarded"},
    ],
)
def test_a_decision_against_all_versions_leaves_no_correction(tmp_path, changes):
    report = collect([decided(case(tmp_path), **changes)], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.conflicts_waiting) == (0, 0, 0)


def test_the_adjudicators_rating_takes_the_place_of_the_reviewers(tmp_path):
    disputed = [said(rating=1, correction=None), by_b(rating=5, correction=None)]
    item = case(tmp_path, disputed)
    assert (item.answer, item.alternative) == ("No idea.", None)
    collect([decided(item, rating=5, preferred="answer")], folder=tmp_path)
    ((rating, model),) = [(r["rating"], r["model"]) for r in read_rows(tmp_path / "ratings.jsonl")]
    assert (rating, model) == (5, "abc")
    assert [row["extra"]["label"] for row in read_rows(tmp_path / "thumbs.jsonl")] == [True]


def test_a_rating_alone_leaves_an_undisputed_correction(tmp_path):
    item = case(tmp_path, [said(rating=1), by_b(rating=5, correction=None)])
    collect([decided(item, rating=1)], folder=tmp_path)
    assert [row["completion"] for row in read_rows(tmp_path / "corrections.jsonl")] == [ONE]


def test_the_decision_on_a_comparison_is_for_one_of_its_answers(tmp_path):
    answers = [compared("answer"), compared("alternative", response_id="r1", reviewer="reviewer-a")]
    item = case(tmp_path, answers)
    assert (item.answer, item.alternative) == ("No idea.", "It left."), "the sides stay"
    collect([decided(item, preferred="alternative", rating=None)], folder=tmp_path)
    assert [(r["chosen"], r["rejected"]) for r in read_rows(tmp_path / "preferences.jsonl")] == [
        ("It left.", "No idea.")
    ]
    assert [r["preferred"] for r in read_rows(tmp_path / "comparisons.jsonl")] == ["alternative"]
    assert read_rows(tmp_path / "corrections.jsonl") == []


@pytest.mark.parametrize(
    ("changes", "completion"),
    [
        ({"preferred": "answer"}, "keep"),
        ({"labels": {"verdict": "neither"}}, None),
        ({"correction": "Today."}, "Today."),
    ],
)
def test_the_decision_on_a_training_row_keeps_mends_or_withdraws_it(tmp_path, changes, completion):
    row = {"kind": "data_sample", "rating": None, "issues": (), "correction": None}
    item = case(tmp_path, [said(**row, labels={"fit": "keep"}), by_b(**row, labels={"fit": "leave_out"})])
    collect([decided(item, rating=None, **changes)], folder=tmp_path)
    verdicts = [r["completion"] for r in read_rows(tmp_path / "row_verdicts.jsonl")]
    assert verdicts == ([] if completion == "keep" else [completion])


def test_a_decision_that_was_taken_back_leaves_the_conflict_waiting(tmp_path):
    item = case(tmp_path)
    collect([decided(item, preferred="answer")], folder=tmp_path)
    report = collect([decided(item, status="draft", submitted_at="2026-11-03T10:00:00+00:00")], folder=tmp_path)
    assert (report.conflicts_waiting, report.corrections) == (1, 0)


def test_a_decision_stands_when_reviewers_edit_afterwards(tmp_path):
    item = case(tmp_path)
    side = "answer" if item.answer == ONE else "alternative"
    edited = by_b(correction="Something else.", submitted_at="2026-11-03T10:00:00+00:00")
    collect([decided(item, preferred=side), edited], folder=tmp_path)
    assert [row["completion"] for row in read_rows(tmp_path / "corrections.jsonl")] == [ONE]


def test_a_decision_finds_its_record_when_the_list_of_cases_is_lost(tmp_path):
    item = case(tmp_path)
    (tmp_path / "adjudication.jsonl").unlink()
    assert item.id == case_id(("desk-round-1", "i1"))
    assert collect([decided(item, preferred="answer")], folder=tmp_path).corrections == 1
