import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.review.answers import PLAIN, said
from tuneloop.errors import DataError
from tuneloop.review.collecting import changed, collect
from tuneloop.review.rows import read_rows

LATER = "2026-11-01T11:00:00+00:00"


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.jsonl")}


def test_a_correction_becomes_a_training_row_and_a_preference_pair(tmp_path):
    report = collect([PLAIN], folder=tmp_path)
    assert (report.responses, report.new_responses, report.corrections, report.preference_pairs) == (1, 1, 1, 1)
    assert (report.mean_rating, report.issues) == (2.0, {"voice": 1})
    assert read_rows(tmp_path / "corrections.jsonl") == [
        {
            "id": "review/desk-round-1/i1",
            "prompt": "Where is my lamp?",
            "completion": "We are tracing it.",
            "created_at": "2026-11-01T10:00:00+00:00",
            "group": "i1",
            "extra": {
                "review_set": "desk-round-1",
                "item_id": "i1",
                "response_id": "r1",
                "reviewer": "reviewer-a",
                "reviewed_at": "2026-11-01T10:00:00+00:00",
                "model": "abc",
                "rating": 2,
            },
        }
    ]
    pair = read_rows(tmp_path / "preferences.jsonl")[0]
    assert (pair["chosen"], pair["rejected"]) == ("We are tracing it.", "No idea.")


def test_collecting_again_changes_nothing_and_counts_nothing(tmp_path):
    collect([PLAIN], folder=tmp_path)
    before = files(tmp_path)
    assert collect([PLAIN], folder=tmp_path).new_responses == 0
    assert files(tmp_path) == before


def test_an_edited_response_replaces_its_old_self(tmp_path):
    collect([PLAIN], folder=tmp_path)
    report = collect([said(correction="It left today.", submitted_at=LATER, rating=3)], folder=tmp_path)
    assert (report.responses, report.new_responses, report.mean_rating) == (1, 0, 3.0)
    assert [row["completion"] for row in read_rows(tmp_path / "corrections.jsonl")] == ["It left today."]


def test_a_correction_that_was_taken_back_leaves_no_row(tmp_path):
    collect([PLAIN], folder=tmp_path)
    collect([said(correction=None, submitted_at=LATER)], folder=tmp_path)
    assert read_rows(tmp_path / "corrections.jsonl") == []


def test_an_old_copy_of_a_response_does_not_overwrite_the_newer_one(tmp_path):
    collect([said(correction="New.", submitted_at=LATER)], folder=tmp_path)
    collect([PLAIN], folder=tmp_path)
    assert read_rows(tmp_path / "corrections.jsonl")[0]["completion"] == "New."


def test_of_two_corrections_that_are_much_alike_the_one_submitted_last_wins(tmp_path):
    second = said(response_id="r2", reviewer="reviewer-b", correction="We are tracing it now.", submitted_at=LATER)
    assert collect([second, PLAIN], folder=tmp_path).corrections == 1
    assert read_rows(tmp_path / "corrections.jsonl")[0]["completion"] == "We are tracing it now."
    assert read_rows(tmp_path / "conflicts.jsonl") == []


def test_two_corrections_that_have_little_in_common_teach_nothing_until_somebody_decides(tmp_path):
    second = said(response_id="r2", reviewer="reviewer-b", correction="Ask the carrier, please!", submitted_at=LATER)
    report = collect([second, PLAIN], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.thumbs, report.conflicts_waiting) == (0, 0, 0, 1)
    assert read_rows(tmp_path / "conflicts.jsonl") == [
        {
            "review_set": "desk-round-1",
            "item_id": "i1",
            "kind": "answers",
            "conflicts": ["different_corrections"],
            "response_ids": ["r1", "r2"],
        }
    ]


def test_two_equal_corrections_are_no_conflict(tmp_path):
    collect([PLAIN, said(response_id="r2", reviewer="reviewer-b", submitted_at=LATER)], folder=tmp_path)
    assert read_rows(tmp_path / "conflicts.jsonl") == []


def test_the_same_item_id_in_another_review_set_is_another_item(tmp_path):
    assert collect([PLAIN, said(response_id="r2", review_set="desk-round-2")], folder=tmp_path).corrections == 2


def test_nothing_of_a_flagged_item_is_trained_on(tmp_path):
    flagged = said(response_id="r2", reviewer="reviewer-b", issues=("flag:personal_data",), correction=None)
    report = collect([PLAIN, flagged], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.responses) == (0, 0, 2)


def test_a_response_that_left_the_desk_stays_in_the_ledger(tmp_path):
    collect([PLAIN], folder=tmp_path)
    assert collect([], folder=tmp_path).corrections == 1


def test_without_ratings_there_is_no_mean(tmp_path):
    assert collect([said(rating=None)], folder=tmp_path).mean_rating is None


def test_everything_is_private(tmp_path):
    collect([PLAIN], folder=tmp_path / "feedback")
    modes = {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "feedback").glob("*.jsonl")}
    assert modes == {"0o600"}


def test_a_damaged_ledger_is_reported_with_its_line(tmp_path):
    collect([PLAIN], folder=tmp_path)
    with (tmp_path / "responses.jsonl").open("a") as stream:
        stream.write("{torn")
    with pytest.raises(DataError, match="line 2"):
        collect([PLAIN], folder=tmp_path)


def test_a_call_killed_at_any_point_is_healed_by_the_next(tmp_path):
    answers = [PLAIN, said(response_id="r2", item_id="i2", correction="Other.")]
    collect(answers, folder=tmp_path / "whole")
    for writes in range(9):
        folder = tmp_path / f"killed-{writes}"
        if (pid := os.fork()) == 0:
            _die_after(writes, answers, folder)
        os.waitpid(pid, 0)
        assert collect(answers, folder=folder).new_responses == 2
        assert files(folder) == files(tmp_path / "whole")


def _die_after(writes: int, answers, folder: Path) -> None:
    """In a child: end without any clean-up at the replacing of the next file after so many."""

    def watch(event, _arguments):
        if event == "os.rename" and len(list(folder.glob("*.jsonl"))) >= writes:
            os._exit(1)

    sys.addaudithook(watch)
    collect(answers, folder=folder)
    os._exit(0)


@settings(max_examples=10, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 6))
def test_the_order_of_arrival_and_the_number_of_calls_do_not_matter(tmp_path_factory, order, cut):
    answers = [
        said(response_id=f"r{n}", item_id=f"i{n % 3}", correction=f"c{n}", submitted_at=f"2026-11-01T10:0{n}:00+00:00")
        for n in range(6)
    ]
    at_once, in_parts = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    collect(answers, folder=at_once)
    shuffled = [answers[n] for n in order]
    counted = collect(shuffled[:cut], folder=in_parts).new_responses + collect(shuffled, folder=in_parts).new_responses
    assert counted == 6
    assert files(in_parts) == files(at_once)


@pytest.mark.parametrize("text", [None, "", "  ", "No idea.", "  No idea.\n"])
def test_what_says_the_same_is_no_correction(text):
    assert changed("No idea.", text) is None


def test_a_correction_may_hold_line_breaks_of_any_kind(tmp_path):
    odd = "first\u2028second\x85third\nfourth"
    collect([said(correction=odd)], folder=tmp_path)
    collect([said(response_id="r2", item_id="i2")], folder=tmp_path)
    assert read_rows(tmp_path / "corrections.jsonl")[0]["completion"] == odd
    assert len((tmp_path / "corrections.jsonl").read_bytes().split(b"\n")) == 3
    assert json.loads((tmp_path / "corrections.jsonl").read_bytes().split(b"\n")[0])["completion"] == odd
