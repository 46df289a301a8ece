"""What becomes of what people say, kind by kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer
from tuneloop.review.collecting import collect
from tuneloop.review.rows import read_rows, write_rows


def rows(folder: Path, name: str, answers: list[ReviewAnswer]) -> list[dict[str, Any]]:
    collect(answers, folder=folder)
    return read_rows(folder / f"{name}.jsonl")


def compared(preferred: str | None, **changes: Any) -> ReviewAnswer:
    defaults: dict[str, Any] = {"alternative": "It left.", "model": "m1", "alternative_model": "m2", "correction": None}
    whole = {"kind": "preference", "review_set": "desk-preference-1", "rating": None, "issues": ()} | defaults
    return said(preferred=preferred, **whole | changes)


def sampled(fit: str, **changes: Any) -> ReviewAnswer:
    labels = {"fit": fit, "row_id": "row-7"}
    whole: dict[str, Any] = {"kind": "data_sample", "review_set": "desk-data_sample-1", "rating": None, "issues": ()}
    return said(labels=labels, **whole | {"correction": None} | changes)


def pairs(folder: Path, answers: list[ReviewAnswer]) -> list[tuple[str, str]]:
    return [(row["chosen"], row["rejected"]) for row in rows(folder, "preferences", answers)]


@pytest.mark.parametrize(
    ("preferred", "correction", "expected"),
    [
        ("answer", None, [("No idea.", "It left.")]),
        ("alternative", None, [("It left.", "No idea.")]),
        ("tie", None, []),
        (None, None, []),
        ("tie", "Today.", [("Today.", "No idea."), ("Today.", "It left.")]),
        ("alternative", "Today.", [("Today.", "It left."), ("Today.", "No idea."), ("It left.", "No idea.")]),
    ],
)
def test_a_ranking_of_answers_becomes_all_its_pairs(tmp_path, preferred, correction, expected):
    assert pairs(tmp_path, [compared(preferred, correction=correction)]) == expected


def test_pairs_of_one_record_have_ids_of_their_own_and_one_group(tmp_path):
    found = rows(tmp_path, "preferences", [compared("answer", correction="Today.")])
    name = "review/desk-preference-1/i1"
    assert [row["id"] for row in found] == [name, f"{name}/2", f"{name}/3"]
    assert {row["group"] for row in found} == {"i1"}


def test_an_empty_answer_makes_no_pair(tmp_path):
    assert pairs(tmp_path, [said(answer=" ")]) == []
    assert pairs(tmp_path, [compared("alternative", response_id="r2", item_id="i2", answer="")]) == []


def test_a_preference_is_evidence_with_both_models_and_a_rating_is_none(tmp_path):
    (row,) = rows(tmp_path, "comparisons", [compared("tie")])
    assert (row["model"], row["alternative_model"], row["preferred"], row["weight"]) == ("m1", "m2", "tie", 1.0)
    assert read_rows(tmp_path / "ratings.jsonl") == []


def thumbs(folder: Path, answers: list[ReviewAnswer]) -> list[tuple[str, bool]]:
    return [(row["completion"], row["extra"]["label"]) for row in rows(folder, "thumbs", answers)]


@pytest.mark.parametrize(
    ("rating", "correction", "expected"),
    [
        (5, None, [("No idea.", True)]),
        (4, None, [("No idea.", True)]),
        (3, None, []),
        (2, None, [("No idea.", False)]),
        (None, None, []),
        (1, "Today.", [("Today.", True), ("No idea.", False)]),
        (None, "Today.", [("Today.", True), ("No idea.", False)]),
        (5, "No idea!", [("No idea!", True)]),
    ],
)
def test_ratings_and_corrections_become_thumbs(tmp_path, rating, correction, expected):
    assert thumbs(tmp_path, [said(rating=rating, correction=correction)]) == expected


def test_a_good_and_a_bad_answer_to_one_prompt_have_ids_of_their_own_and_one_group(tmp_path):
    found = rows(tmp_path, "thumbs", [said(rating=1)])
    assert [row["id"] for row in found] == ["review/desk-round-1/i1", "review/desk-round-1/i1/answer"]
    assert {row["group"] for row in found} == {"i1"}


def test_people_who_rate_on_either_side_give_no_thumb(tmp_path):
    two = [said(rating=5, correction=None), said(response_id="r2", reviewer="reviewer-b", rating=4, correction=None)]
    assert thumbs(tmp_path / "both", two) == [("No idea.", True)]
    split = [said(rating=4, correction=None), said(response_id="r2", reviewer="reviewer-b", rating=3, correction=None)]
    assert thumbs(tmp_path / "split", split) == []


def test_one_more_person_who_agrees_changes_no_row(tmp_path):
    """Else the model would be trained again on the same texts."""
    first = [said(rating=5, correction=None), compared("answer", item_id="i2", response_id="r2")]
    more = [
        said(response_id="r3", reviewer="reviewer-b", rating=4, correction=None, submitted_at="2026-11-02"),
        compared("answer", item_id="i2", response_id="r4", reviewer="reviewer-b", submitted_at="2026-11-02"),
    ]
    for name in ("thumbs", "preferences"):
        assert rows(tmp_path, name, first) == rows(tmp_path, name, [*first, *more])


def test_a_training_row_that_people_want_out_is_named_with_who_said_so(tmp_path):
    (row,) = rows(tmp_path, "row_verdicts", [sampled("leave_out")])
    assert (row["row"], row["completion"], row["extra"]["because"]) == ("row-7", None, "left_out")
    assert row["extra"]["reviewer"] == "reviewer-a"


def test_a_training_row_that_people_mend_gets_its_new_answer(tmp_path):
    (row,) = rows(tmp_path, "row_verdicts", [sampled("mend", correction="It left today.")])
    assert (row["row"], row["answer"], row["completion"]) == ("row-7", "No idea.", "It left today.")


def test_a_training_row_that_is_fine_or_that_nobody_can_judge_stays(tmp_path):
    assert rows(tmp_path, "row_verdicts", [sampled("keep")]) == []
    assert rows(tmp_path, "row_verdicts", [sampled("leave_out", item_id="i2", status="discarded")]) == []


def test_a_training_row_that_people_disagree_on_stays_out_until_that_is_decided(tmp_path):
    (row,) = rows(tmp_path, "row_verdicts", [sampled("keep"), sampled("leave_out", response_id="r2", reviewer="b")])
    assert (row["completion"], row["extra"]["because"]) == (None, "conflict")


def test_a_training_row_that_is_reviewed_becomes_no_row_and_no_evidence_itself(tmp_path):
    report = collect([sampled("mend", correction="Today.", rating=2)], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.thumbs, report.mean_rating) == (0, 0, 0, None)


def triaged(**changes: Any) -> ReviewAnswer:
    labels = {"failure": "yes", "severity": "serious", "suite_item": "ambiguous-3"}
    return said(kind="red_team", review_set="desk-red_team-1", rating=None, labels=labels, **changes)


def test_what_people_say_of_the_red_team_is_kept_under_the_suites_own_item_and_never_learned(tmp_path):
    report = collect([triaged()], folder=tmp_path)
    (row,) = read_rows(tmp_path / "triage.jsonl")
    assert (row["suite_item"], row["failure"], row["severity"]) == ("ambiguous-3", "yes", "serious")
    assert (report.triaged, report.corrections, report.preference_pairs, report.thumbs) == (1, 0, 0, 0)


def test_people_who_disagree_on_the_red_team_are_both_heard_and_nobody_has_to_decide(tmp_path):
    other = triaged(response_id="r2", reviewer="reviewer-b", correction="I may not tell.", issues=("flag:harmful",))
    report = collect([triaged(), other], folder=tmp_path)
    assert (report.triaged, report.conflicts_waiting) == (2, 0)


def test_a_prompt_of_the_red_team_is_not_learned_from_any_other_set_either(tmp_path):
    elsewhere = said(response_id="r2", prompt="WHERE is my  lamp?")
    report = collect([triaged(), elsewhere], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.thumbs) == (0, 0, 0)
    assert report.unusable == {"test_prompt": 1}
    assert collect([said(response_id="r3", item_id="i3", prompt="Other?")], folder=tmp_path).corrections == 1


def test_gold_items_become_no_rows_no_ratings_and_no_evidence(tmp_path):
    gold = [
        {"review_set": "desk-round-1", "item_id": "i1", "rating": 2, "tolerance": 1},
        {"review_set": "desk-preference-1", "item_id": "i1", "preferred": "answer", "rating": None, "tolerance": 1},
        {"review_set": "desk-data_sample-1", "item_id": "i1", "rating": 1, "tolerance": 0},
    ]
    write_rows(tmp_path / "gold.jsonl", gold)
    answers = [said(), compared("answer", response_id="r2"), sampled("leave_out", response_id="r3")]
    report = collect(answers, folder=tmp_path)
    assert (report.responses, report.mean_rating) == (3, None)
    derived = ("corrections", "preferences", "thumbs", "ratings", "comparisons", "row_verdicts", "conflicts")
    assert [name for name in derived if read_rows(tmp_path / f"{name}.jsonl")] == []


def test_a_rating_remembers_how_its_record_was_chosen(tmp_path):
    (row,) = rows(tmp_path, "ratings", [said(labels={"chosen_by": "random"}, dimensions={"safety": 5})])
    assert (row["chosen_by"], row["dimensions"]) == ("random", {"safety": 5})


def test_evidence_on_a_record_that_anybody_flagged_is_marked(tmp_path):
    other = said(response_id="r2", reviewer="reviewer-b", rating=None, correction=None, issues=("flag:personal_data",))
    assert [row["flagged"] for row in rows(tmp_path / "a", "ratings", [said(), other])] == [True]
    assert [row["flagged"] for row in rows(tmp_path / "b", "ratings", [said()])] == [False]
