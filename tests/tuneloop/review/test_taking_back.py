"""Drafts, discarded answers, edits and late answers: what stands is what each person last submitted."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from tests.tuneloop.review.answers import PLAIN, said
from tuneloop.errors import DataError
from tuneloop.review.collecting import collect
from tuneloop.review.rows import read_rows

LATER = "2026-11-01T11:00:00+00:00"
LATEST = "2026-11-01T12:00:00+00:00"


def completions(folder: Path) -> list[str]:
    return [row["completion"] for row in read_rows(folder / "corrections.jsonl")]


def test_a_draft_counts_for_nothing_and_nothing_of_it_is_kept(tmp_path):
    report = collect([said(status="draft")], folder=tmp_path)
    assert (report.responses, report.new_responses, report.drafts, report.corrections) == (0, 0, 1, 0)
    assert "tracing" not in (tmp_path / "responses.jsonl").read_text()


def test_a_draft_that_is_submitted_counts_as_new(tmp_path):
    collect([said(status="draft")], folder=tmp_path)
    report = collect([said(submitted_at=LATER)], folder=tmp_path)
    assert (report.new_responses, report.drafts, report.corrections) == (1, 0, 1)


@pytest.mark.parametrize("status", ["draft", "discarded"])
def test_a_submitted_answer_that_was_taken_back_leaves_no_row_and_no_rating(tmp_path, status):
    collect([PLAIN], folder=tmp_path)
    report = collect([said(status=status, submitted_at=LATER)], folder=tmp_path)
    assert (report.corrections, report.preference_pairs, report.mean_rating) == (0, 0, None)
    assert collect([PLAIN], folder=tmp_path).corrections == 0, "an old copy does not bring it back"
    assert collect([said(submitted_at=LATEST)], folder=tmp_path).corrections == 1


def test_of_a_discarded_answer_the_reasons_are_kept(tmp_path):
    report = collect([said(status="discarded", issues=("off_topic",))], folder=tmp_path)
    assert (report.discarded, report.unusable, report.issues) == (1, {"discarded": 1}, {})
    assert read_rows(tmp_path / "responses.jsonl")[0]["issues"] == ["off_topic"]


def test_what_one_person_cannot_judge_another_may(tmp_path):
    other = said(response_id="r2", reviewer="reviewer-b", status="discarded", submitted_at=LATER)
    assert collect([PLAIN, other], folder=tmp_path).corrections == 1


def test_a_late_answer_to_an_old_set_is_used(tmp_path):
    collect([said(response_id="r9", review_set="desk-round-9", submitted_at=LATER)], folder=tmp_path)
    assert collect([said(submitted_at=LATEST)], folder=tmp_path).corrections == 2


def test_one_person_has_one_say_on_a_record_even_if_a_moved_desk_renames_the_response(tmp_path):
    collect([said(rating=1)], folder=tmp_path)
    collect([said(response_id="moved-r1", correction="It left today.", submitted_at=LATER)], folder=tmp_path)
    assert completions(tmp_path) == ["It left today."]
    assert [row["rating"] for row in read_rows(tmp_path / "ratings.jsonl")] == [2]


def test_a_ledger_of_an_earlier_release_still_counts(tmp_path):
    later = {"kind", "status", "started_at", "dimensions", "alternative", "alternative_model", "preferred", "labels"}
    old = {field.name: getattr(PLAIN, field.name) for field in fields(PLAIN) if field.name not in later}
    (tmp_path / "responses.jsonl").write_text(json.dumps(old) + "\n")
    report = collect([said(response_id="r2", item_id="i2")], folder=tmp_path)
    assert (report.responses, report.new_responses, report.corrections) == (2, 1, 2)


def test_a_ledger_of_a_later_release_is_read_as_far_as_it_is_known(tmp_path):
    collect([PLAIN], folder=tmp_path)
    (row,) = read_rows(tmp_path / "responses.jsonl")
    (tmp_path / "responses.jsonl").write_text(json.dumps(row | {"mood": "good"}) + "\n")
    assert collect([], folder=tmp_path).corrections == 1


def test_a_response_that_lacks_what_every_response_has_is_named_and_nothing_is_lost(tmp_path):
    collect([PLAIN], folder=tmp_path)
    (row,) = read_rows(tmp_path / "responses.jsonl")
    broken = json.dumps({k: v for k, v in row.items() if k != "prompt"}) + "\n"
    (tmp_path / "responses.jsonl").write_text(broken)
    rows = (tmp_path / "corrections.jsonl").read_bytes()
    with pytest.raises(DataError, match="response r1 has no prompt; restore"):
        collect([said(response_id="r2", item_id="i2")], folder=tmp_path)
    assert (tmp_path / "responses.jsonl").read_text() == broken
    assert (tmp_path / "corrections.jsonl").read_bytes() == rows


@pytest.mark.parametrize("rating", [0, 6, True, "5", 4.5])
def test_what_is_no_rating_is_not_counted_as_one(tmp_path, rating):
    assert collect([said(rating=rating)], folder=tmp_path).mean_rating is None
