"""Sheets go out and come back: nothing is lost, nothing counts twice, and each bad cell is named."""

from __future__ import annotations

import datetime as dt
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tuneloop.adapters.file_backend.filling import FORM, Formula, backend_in, fill, item, sheet
from tests.tuneloop.adapters.file_backend.typed import typed
from tuneloop.errors import DataError
from tuneloop.ports import ReviewForm

ENDINGS = (".xlsx", ".csv", ".jsonl")
NASTY = st.text(alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("=+-@'\t\r\n_x0041")))


def published(folder: Path, *items, form: ReviewForm = FORM):
    backend = backend_in(folder)
    backend.publish("tea-round-1", items or [item(1), item(2)], form)
    return backend


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_people_fill_in_is_read_back_with_the_model_that_they_were_not_shown(tmp_path, ending):
    backend = published(tmp_path)
    assert "abc123" not in sheet(tmp_path, ".csv").read_text("utf-8-sig") + sheet(tmp_path, ".jsonl").read_text()
    said = {"rating": 4, "issues": "Wrong fact; style", "correction": "Tea 1 is green.", "factuality": 2}
    report = backend.import_file(fill(sheet(tmp_path, ending), {1: said}), reviewer="Anna")
    assert (report.new, report.empty, report.faults) == (1, 1, [])
    (answer,) = backend.answers("tea-round-")
    assert (answer.rating, answer.correction, answer.dimensions) == (4, "Tea 1 is green.", {"factuality": 2})
    assert answer.issues == ("wrong_fact", "style")
    assert (answer.item_id, answer.model, answer.status, answer.kind) == ("i1", "abc123", "submitted", "answers")
    assert answer.reviewer.startswith("reviewer-")
    assert "Anna" not in (tmp_path / "desk/.desk/answers.jsonl").read_text()


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=4)  # of many texts each: writing files is what takes the time
@given(texts=st.lists(st.tuples(NASTY, NASTY), min_size=20, max_size=20))
def test_any_text_survives_the_way_there_and_back(ending, texts):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backend = published(folder, *(item(n, prompt=f"{prompt} {n}") for n, (prompt, _) in enumerate(texts)))
        said = {n: {"rating": 5, "correction": typed(text, ending)} for n, (_, text) in enumerate(texts, start=1)}
        report = backend.import_file(fill(sheet(folder, ending), said), reviewer="A")
        assert report.faults == []
        found = {answer.item_id: answer for answer in backend.answers("tea")}
        for n, (prompt, correction) in enumerate(texts):
            assert found[f"i{n}"].prompt == f"{prompt} {n}"
            assert found[f"i{n}"].correction == (correction.strip() or None)


def test_a_second_import_replaces_and_the_same_file_again_changes_nothing(tmp_path):
    backend = published(tmp_path)
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"rating": 4}, 2: {"rating": 3}}), reviewer="Anna")
    before = backend.answers("tea")
    again = backend.import_file(tmp_path / "desk/filled.csv", reviewer=" anna ")
    assert (again.new, again.changed, again.unchanged) == (0, 0, 2)
    assert backend.answers("tea") == before
    edited = backend.import_file(fill(sheet(tmp_path, ".xlsx"), {1: {"rating": 1}}), reviewer="Anna")
    assert (edited.changed, edited.empty) == (1, 1)
    assert {a.item_id: a.rating for a in backend.answers("tea")} == {"i1": 1, "i2": 3}
    assert {a.response_id for a in backend.answers("tea")} == {a.response_id for a in before}


def test_bad_cells_are_named_by_row_and_column_and_good_rows_are_kept(tmp_path):
    backend = published(tmp_path, *(item(n) for n in range(1, 6)))
    said = {
        1: {"rating": "six"},
        2: {"rating": 5},
        3: {"correction": "only this"},
        4: {"rating": 2, "issues": "style, ugly"},
        5: {"rating": 3, "item": "tea-round-1/gone"},
    }
    report = backend.import_file(fill(sheet(tmp_path, ".csv"), said), reviewer="Anna")
    assert report.new == 1
    assert [(f.row, f.column) for f in report.faults] == [(2, "rating"), (4, "rating"), (5, "issues"), (6, "item")]
    assert "'six' is none of 1, 2, 3, 4, 5" in str(report.faults[0])
    assert [a.item_id for a in backend.answers("tea")] == ["i2"]
    assert len(list((tmp_path / "desk/.desk/imported").iterdir())) == 1


def test_formulas_and_dates_in_a_workbook_are_named_not_guessed(tmp_path):
    backend = published(tmp_path)
    day = dt.datetime(2026, 5, 1)  # noqa: DTZ001
    said = {1: {"rating": 5, "correction": Formula("=1+1")}, 2: {"rating": 5, "correction": day}}
    report = backend.import_file(fill(sheet(tmp_path, ".xlsx"), said), reviewer="Anna")
    assert [(f.row, f.column) for f in report.faults] == [(2, "correction"), (3, "correction")]
    assert backend.answers("tea") == []


def test_no_cell_of_a_fresh_workbook_is_a_formula(tmp_path):
    from openpyxl import load_workbook

    published(tmp_path, item(1, prompt="=HYPERLINK(1)", answer="+cmd"), form=replace(FORM, guidelines="=1+1"))
    book = load_workbook(sheet(tmp_path, ".xlsx"))
    assert {c.data_type for s in book.worksheets for row in s.iter_rows() for c in row if c.value} == {"s"}


def test_a_changed_answer_is_noticed_and_a_mixed_up_row_is_refused(tmp_path):
    backend = published(tmp_path, item(1), item(2), item(3))
    said = {1: {"rating": 5, "answer": "mended here"}, 2: {"rating": 4, "prompt": "Is tea 3 green?"}}
    report = backend.import_file(fill(sheet(tmp_path, ".xlsx"), said), reviewer="Anna")
    assert [(f.row, f.column, f.is_kept) for f in report.faults] == [(2, "answer", True), (3, "prompt", False)]
    assert [(a.item_id, a.answer) for a in backend.answers("tea")] == [("i1", "Tea 1 is black.")]


def test_a_row_marked_discard_needs_no_rating_and_takes_back_what_was_said(tmp_path):
    backend = published(tmp_path)
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"rating": 4}}), reviewer="Anna")
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"discard": "x"}}), reviewer="Anna")
    assert [a.status for a in backend.answers("tea")] == ["discarded"]


def test_a_row_without_any_name_is_refused_and_a_name_in_the_row_goes_first(tmp_path):
    backend = published(tmp_path)
    said = {1: {"rating": 4}, 2: {"rating": 4, "reviewer": "Bob"}}
    report = backend.import_file(fill(sheet(tmp_path, ".csv"), said))
    assert [(f.row, f.column) for f in report.faults] == [(2, "reviewer")]
    bobs = backend.answers("tea")[0].reviewer
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"rating": 2}}), reviewer="BOB")
    assert {a.reviewer for a in backend.answers("tea")} == {bobs}


def test_progress_counts_what_is_reviewed_often_enough_and_who_waits(tmp_path):
    backend = published(tmp_path)
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"rating": 4}, 2: {"rating": 4}}), reviewer="Anna")
    backend.import_file(fill(sheet(tmp_path, ".csv"), {1: {"rating": 5}}), reviewer="Bob")
    (progress,) = backend.progress("tea-")
    assert (progress.records, progress.completed, progress.min_submitted) == (2, 1, 2)
    assert sorted(progress.waiting.values()) == [0, 1]
    assert progress.url.startswith("file:///")
    assert backend.progress("coffee") == []


def test_publishing_again_writes_nothing_and_adds_only_what_is_missing(tmp_path):
    backend = published(tmp_path)
    before = {p.name: p.read_bytes() for p in (tmp_path / "desk").glob("tea*")}
    published(tmp_path)
    assert {p.name: p.read_bytes() for p in (tmp_path / "desk").glob("tea*")} == before
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "desk").glob("tea*")} == {0o600}
    backend.publish("tea-round-1", [item(2), item(3)], FORM)
    assert backend.progress("tea")[0].records == 3
    assert set(before) == {p.name for p in (tmp_path / "desk").glob("tea*")}


def test_a_sheet_that_somebody_has_written_into_is_never_overwritten(tmp_path):
    backend = published(tmp_path)
    csv = fill(sheet(tmp_path, ".csv"), {1: {"rating": 4}}, to=sheet(tmp_path, ".csv"))
    filled = csv.read_bytes()
    backend.publish("tea-round-1", [item(3)], FORM)
    assert csv.read_bytes() == filled
    assert "Is tea 3 green?" in sheet(tmp_path, ".csv", "tea-round-1-2").read_text("utf-8-sig")
    assert backend.import_file(csv, reviewer="Anna").new == 1


def test_copies_carry_the_reviewers_name(tmp_path):
    backend = published(tmp_path)
    (copy,) = backend.copies_for("Anna Müller")
    assert copy.name == "tea-round-1-anna-müller.xlsx"
    assert backend.import_file(fill(copy, {1: {"rating": 4}})).new == 1


def test_two_answers_are_compared_without_saying_whose_they_are(tmp_path):
    form = ReviewForm("", kind="preference")
    backend = published(tmp_path, item(1, alternative="green", alternative_model="def"), form=form)
    backend.import_file(fill(sheet(tmp_path, ".xlsx"), {1: {"preferred": "b"}}), reviewer="Anna")
    (answer,) = backend.answers("tea")
    assert (answer.preferred, answer.alternative, answer.alternative_model) == ("alternative", "green", "def")


@pytest.mark.parametrize(
    ("kind", "said", "labels"),
    [
        ("data_sample", {"fit": "leave out"}, {"fit": "leave_out"}),
        ("red_team", {"failure": "yes", "severity": "minor"}, {"failure": "yes", "severity": "minor"}),
        ("adjudication", {"preferred": "neither", "rating": 2, "correction": "c"}, {"verdict": "neither"}),
    ],
)
def test_each_kind_of_set_asks_its_own_questions(tmp_path, kind, said, labels):
    original = {"original": "the model's", "reviewer_a": "rated it 2"}
    backend = published(tmp_path, item(1, alternative="z", labels=original), form=ReviewForm("", kind=kind))
    assert backend.import_file(fill(sheet(tmp_path, ".csv"), {1: said}), reviewer="Anna").faults == []
    assert backend.answers("tea")[0].labels == original | labels


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-8"])
def test_csv_is_read_as_spreadsheet_programs_save_it(tmp_path, encoding):
    backend = published(tmp_path, item(1, prompt="Grüner Tee?"))
    filled = fill(sheet(tmp_path, ".csv"), {1: {"rating": 4, "correction": "Grün; ja"}})
    text = filled.read_text("utf-8-sig")
    rows = [line for line in text.splitlines() if line]
    filled.write_bytes("\r\n".join(rows).replace('"Grün; ja"', "Grün; ja").encode(encoding))
    assert backend.import_file(filled, reviewer="Anna").faults == []
    assert backend.answers("tea")[0].correction == "Grün; ja"


def test_files_that_are_no_sheets_are_refused_whole(tmp_path):
    backend = published(tmp_path)
    for name, content in (("a.xlsx", b"PK no"), ("b.csv", b"x,y\n1,2\n"), ("c.txt", b""), ("d.jsonl", b"\xff\xfe\n")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name if name != "b.csv" else "no column `item`"):
            backend.import_file(tmp_path / name, reviewer="Anna")
    (tmp_path / "e.jsonl").write_text("nope\n")
    assert backend.answers("tea") == []
