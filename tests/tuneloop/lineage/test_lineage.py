from __future__ import annotations

import io
import shutil
from pathlib import Path

import pytest
from rich.console import Console

from tests.tuneloop.lineage.lineage_examples import CORRECTED, HASHES, REVIEWER, SECRET, hash_of, make_workspace
from tuneloop.errors import DataError
from tuneloop.lineage.lineage import ModelLineage, model_lineage
from tuneloop.registry.known_rounds import answering_models, known_rounds, only_one
from tuneloop.reports.lineage import print_lineage_tree


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path)
    return tmp_path


def lineage_of(workspace: Path, number: int, *, rows: bool = False) -> ModelLineage:
    known = known_rounds(workspace)
    return model_lineage(workspace, only_one(known.of_number(number), "it", known), known, hash_of, rows=rows)


def shown(found: ModelLineage) -> str:
    console = Console(file=io.StringIO(), width=10_000, highlight=False)
    print_lineage_tree(found, console)
    return console.file.getvalue()


def test_a_model_leads_to_its_data_with_sources_checks_and_ancestors(tmp_path: Path) -> None:
    first, second = make_workspace(tmp_path)
    data = lineage_of(tmp_path, 2).data
    assert data is not None
    assert (data.version, data.ancestors) == (second, [first])
    assert [(o.name, o.sha256) for o in data.sources] == [("desk", "f" * 64)]
    assert data.checks_failed[-1] == "expect_no_duplicate (warn): 7"
    assert data.reasons["near_copy"] == 60


def test_a_model_leads_to_who_corrected_what_it_learned(workspace: Path) -> None:
    (person,) = lineage_of(workspace, 2).reviewers
    assert person.model_dump() == {
        "reviewer": REVIEWER,
        "review_set": "desk-round-1",
        "rows": {"train": [CORRECTED]},
    }
    assert lineage_of(workspace, 1).reviewers == []


def test_a_model_leads_to_what_people_said_of_its_own_answers(workspace: Path) -> None:
    reviews = lineage_of(workspace, 1).reviews
    assert reviews is not None
    assert reviews.model_dump() == {
        "responses": 2,
        "corrected": 1,
        "mean_rating": 1.5,
        "reviewers": {REVIEWER: 2},
    }


def test_a_model_leads_to_the_one_it_replaced_and_the_one_it_went_on_from(workspace: Path) -> None:
    second, third = lineage_of(workspace, 2), lineage_of(workspace, 3)
    assert second.champion is not None
    assert (second.champion.round, second.training.start) == (1, None)
    assert third.training.start is not None
    assert (third.training.start.round, third.training.adapter_hash) == (2, "adapter-3")


def test_rows_are_listed_only_on_request_and_without_their_text(workspace: Path) -> None:
    assert lineage_of(workspace, 2).rows == []
    found = lineage_of(workspace, 2, rows=True)
    assert [(r.id, r.source, r.line, r.split) for r in found.rows] == [
        ("r1", "desk", 1, "train"),
        (CORRECTED, "desk", 9, "train"),
        ("r1-again", "desk", 1, "train"),
    ]
    assert SECRET not in found.model_dump_json()


def test_what_is_gone_is_named_and_the_rest_is_still_told(workspace: Path) -> None:
    shutil.rmtree(workspace / "data")
    shutil.rmtree(workspace / "models")
    (workspace / "rounds" / "desk" / "0001.json").write_text("{}")
    found = lineage_of(workspace, 2)
    assert found.model.model_hash == HASHES[2]
    told = "; ".join(found.missing)
    for gone in (
        "round desk/0001",
        "manifest is gone",
        "train rows are gone",
        "adapter of round 2",
        "hash aaaaaaaaaaaa",
    ):
        assert gone in told
    assert "environment of round 2" in told


def test_a_damaged_parquet_file_is_named(workspace: Path) -> None:
    version = lineage_of(workspace, 2).data
    assert version is not None
    (workspace / "data" / version.version / "train.parquet").write_bytes(b"PAR1 no more")
    assert any("train.parquet cannot be read" in said for said in lineage_of(workspace, 2).missing)


def test_the_tree_names_every_station_and_no_text(workspace: Path) -> None:
    text = shown(lineage_of(workspace, 2, rows=True))
    for part in ("version 12", "fresh adapters", "sha256 ffffffffffff", REVIEWER, CORRECTED, "promote", "it replaced"):
        assert part in text
    assert "r1-again  desk:1, made of r1 by noise" in text
    assert SECRET not in text


def test_a_terminal_is_never_repainted_by_a_name_out_of_the_data(tmp_path: Path) -> None:
    make_workspace(tmp_path)
    found = lineage_of(tmp_path, 2)
    reviewer = found.reviewers[0].model_copy(update={"reviewer": "\x1b[2J[red]"})
    text = shown(found.model_copy(update={"reviewers": [reviewer]}))
    assert "\x1b" not in text
    assert "\\x1b[2J[red]" in text


def test_an_answer_leads_to_the_model_that_gave_it(workspace: Path) -> None:
    assert answering_models(workspace, "t1") == {HASHES[2][:12]}
    assert answering_models(workspace, "s2") == {HASHES[1][:12]}
    assert answering_models(workspace, "item-1") == {HASHES[1][:12]}
    with pytest.raises(DataError, match="no answer t9"):
        answering_models(workspace, "t9")


def test_a_model_is_found_by_version_hash_adapter_and_run(workspace: Path) -> None:
    known = known_rounds(workspace)
    assert [r.number for r in known.of_version("12")] == [2]
    assert [r.number for r in known.of_model("bbbb")] == [2]
    assert [r.number for r in known.of_model("3e573e57")] == [3]
    assert [r.number for r in known.of_adapter("adapter-3", hash_of)] == [3]
    assert known.of_run("none") == []


def test_a_name_that_fits_several_models_or_none_is_an_error_that_lists_them(workspace: Path) -> None:
    known = known_rounds(workspace)
    with pytest.raises(DataError, match=r"several rounds: desk round 1 .*, desk round 2"):
        only_one(known.rounds, "x", known)
    with pytest.raises(DataError, match=r"no known round; there are: desk round 1"):
        only_one([], "x", known)


def test_a_recipe_narrows_the_rounds(workspace: Path) -> None:
    assert len(known_rounds(workspace, "desk").rounds) == 3
    assert known_rounds(workspace, "other").rounds == []
