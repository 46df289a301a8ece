from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.lineage.lineage_examples import (
    CORRECTED,
    REVIEWER,
    SECRET,
    make_workspace,
    record,
    write_lines,
    write_version,
)
from tuneloop.errors import DataError
from tuneloop.lineage.tracing import Traces, trace_reviewer, trace_row, trace_source
from tuneloop.registry.known_rounds import known_rounds


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path)
    return tmp_path


def rounds_by_version(found: Traces) -> dict[str, list[int]]:
    return {trace.version: [m.round for m in trace.models] for trace in found.found}


def test_a_row_leads_to_every_version_and_model_that_learned_from_it(tmp_path: Path) -> None:
    first, second = make_workspace(tmp_path)
    found = trace_row(tmp_path, "r1", known_rounds(tmp_path))
    assert rounds_by_version(found) == {first: [1], second: [2, 3]}
    assert all(trace.is_learned for trace in found.found)
    assert SECRET not in found.model_dump_json()


def test_synthetic_rows_are_found_by_the_row_they_were_made_of(workspace: Path) -> None:
    found = trace_row(workspace, "r1", known_rounds(workspace))
    assert [(r.id, r.split) for r in found.found[-1].rows] == [("r1", "train"), ("r1-again", "train")]


def test_a_test_row_is_not_said_to_be_learned_from(workspace: Path) -> None:
    found = trace_row(workspace, "r2", known_rounds(workspace))
    assert [trace.is_learned for trace in found.found] == [False, False]


@pytest.mark.parametrize("name", ["r7", "desk:7"])
def test_a_row_that_was_set_aside_is_found_with_the_reason(workspace: Path, name: str) -> None:
    found = trace_row(workspace, name, known_rounds(workspace))
    (row,) = found.found[0].rows
    assert (row.split, row.reason, row.related) == (None, "near_copy", "r1")
    assert not found.found[0].is_learned
    assert SECRET not in found.model_dump_json()


def test_an_id_that_only_occurs_in_a_text_is_not_the_row(workspace: Path) -> None:
    with pytest.raises(DataError, match="no data version holds the row Here"):
        trace_row(workspace, "Here.", known_rounds(workspace))


def test_a_reviewer_leads_to_corrected_rows_and_models(tmp_path: Path) -> None:
    _, second = make_workspace(tmp_path)
    found = trace_reviewer(tmp_path, REVIEWER, known_rounds(tmp_path))
    assert found.responses == {"desk-round-1": 2}
    assert rounds_by_version(found) == {second: [2, 3]}
    assert [r.id for r in found.found[0].rows] == [CORRECTED]


def test_a_reviewer_of_whom_nobody_knows_is_an_error(workspace: Path) -> None:
    with pytest.raises(DataError, match="no data version holds the reviewer nobody"):
        trace_reviewer(workspace, "nobody", known_rounds(workspace))


def test_a_sources_hash_leads_to_the_models(tmp_path: Path) -> None:
    first, second = make_workspace(tmp_path)
    assert rounds_by_version(trace_source(tmp_path, "ffff", known_rounds(tmp_path))) == {first: [1], second: [2, 3]}
    with pytest.raises(DataError, match="the source eeee"):
        trace_source(tmp_path, "eeee", known_rounds(tmp_path))


def test_versions_whose_rows_are_gone_are_named(tmp_path: Path) -> None:
    first, _ = make_workspace(tmp_path)
    shutil.rmtree(tmp_path / "data" / first)
    found = trace_row(tmp_path, "r1", known_rounds(tmp_path))
    assert found.missing == [f"data version {first}: its rows are gone, so nobody can say what it held"]


SAID = {"reviewer": REVIEWER, "review_set": "desk-round-1", "response_id": "s1", "reviewed_at": "2026-11-01T10:00"}


@pytest.mark.parametrize(
    ("today", "since"),
    [
        ([SAID], None),
        ([SAID | {"reviewed_at": "2026-11-02T09:00"}], f"replaced since: {REVIEWER} answered anew on 2026-11-02T09:00"),
        ([], "taken back since: the next data version has it no more"),
    ],
)
def test_a_row_that_was_learned_from_tells_what_became_of_the_words_in_it(
    tmp_path: Path, today: list[dict[str, str]], since: str | None
) -> None:
    make_workspace(tmp_path)
    version = write_version(tmp_path, [("train", record(CORRECTED, extra=SAID)), ("test", record("r2", 2))])
    rows = [{"id": CORRECTED, "completion": SECRET, "extra": extra} for extra in today]
    write_lines(tmp_path / "feedback" / "desk" / "corrections.jsonl", rows)
    known = known_rounds(tmp_path)
    for found in (trace_row(tmp_path, CORRECTED, known), trace_reviewer(tmp_path, REVIEWER, known)):
        (row,) = next(trace for trace in found.found if trace.version == version).rows
        assert (row.since, row.review) == (since, SAID)
        assert SECRET not in found.model_dump_json()


def test_a_mended_row_is_compared_with_the_verdict_on_it(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    write_version(tmp_path, [("train", record("r1", extra=SAID | {"mended": True})), ("test", record("r2", 2))])
    write_lines(tmp_path / "feedback" / "desk" / "row_verdicts.jsonl", [{"row": "r1", "answer": "x", "extra": SAID}])
    found = trace_row(tmp_path, "r1", known_rounds(tmp_path))
    assert [row.since for trace in found.found for row in trace.rows if row.review] == [None]


def test_drafts_and_discarded_answers_are_no_responses_of_a_reviewer(workspace: Path) -> None:
    said = {"reviewer": REVIEWER, "review_set": "desk-round-1", "model": "m"}
    rows = [said | {"response_id": f"x{n}", "status": status} for n, status in enumerate(("draft", "discarded"))]
    write_lines(workspace / "feedback" / "other" / "responses.jsonl", rows)
    assert trace_reviewer(workspace, REVIEWER, known_rounds(workspace)).responses == {"desk-round-1": 2}
