from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.history.lineage_examples import CORRECTED, REVIEWER, SECRET, make_workspace
from tuneloop.errors import DataError
from tuneloop.history.known_rounds import known_rounds
from tuneloop.history.tracing import Traces, trace_reviewer, trace_row, trace_source


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
