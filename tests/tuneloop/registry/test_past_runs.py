from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.tuneloop.lineage.lineage_examples import HASHES, make_workspace, write_round
from tests.tuneloop.reports.examples import make_round
from tuneloop.errors import DataError, RecipeError
from tuneloop.registry.known_rounds import known_rounds
from tuneloop.registry.past_runs import find_past_run, recipe_of

RECIPE = {"name": "desk", "data": {"sources": [{"name": "s", "path": "rows.jsonl"}]}, "model": {"base": "x"}}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    make_workspace(tmp_path)
    return tmp_path


def write_training(workspace: Path, key: str, model_hash: str = "d" * 64) -> Path:
    """A training by hand, which no round knows."""
    folder = workspace / "models" / "desk" / key
    folder.mkdir(parents=True)
    report = make_round().training.model_copy(update={"model_hash": model_hash})
    (folder / "report.json").write_text(report.model_dump_json())
    return folder


@pytest.mark.parametrize("name", ["2", "2e572e", HASHES[2][:8]])
def test_a_round_is_found_by_number_key_and_model(workspace: Path, name: str) -> None:
    found = find_past_run(workspace, known_rounds(workspace), name)
    assert (found.name, found.report.model_hash) == ("desk round 2", HASHES[2])


def test_a_training_by_hand_is_found_by_key_and_folder(workspace: Path) -> None:
    folder = write_training(workspace, "0123456789abcdef")
    for name in ("01234567", str(folder)):
        found = find_past_run(workspace, known_rounds(workspace), name)
        assert (found.name, found.key, found.round) == ("desk/0123456789abcdef", "0123456789abcdef", None)


def test_the_folder_of_a_round_brings_the_rounds_settings(workspace: Path) -> None:
    folder = write_training(workspace, "0123456789abcdef", HASHES[1])
    found = find_past_run(workspace, known_rounds(workspace), str(folder))
    assert found.round is not None
    assert found.round.number == 1


def test_a_beginning_of_several_trainings_is_an_error(workspace: Path) -> None:
    for key in ("0123aaaa", "0123bbbb"):
        write_training(workspace, key)
    with pytest.raises(DataError, match=r"several trainings: .*0123"):
        find_past_run(workspace, known_rounds(workspace), "0123")


@pytest.mark.parametrize("name", ["99", "none", "*", "../../etc", ""])
def test_a_run_that_nobody_knows_is_an_error_that_lists_the_known_ones(workspace: Path, name: str) -> None:
    with pytest.raises(DataError, match="desk round 1"):
        find_past_run(workspace, known_rounds(workspace), name)


def test_the_recipe_is_the_one_the_round_kept(tmp_path: Path) -> None:
    write_round(tmp_path, 1, "d1", settings=RECIPE)
    assert recipe_of(find_past_run(tmp_path, known_rounds(tmp_path), "1"), None).model.base == "x"


def test_a_round_that_kept_no_settings_or_another_releases_asks_for_a_file(tmp_path: Path) -> None:
    write_round(tmp_path, 1, "d1")
    write_round(tmp_path, 2, "d1", settings=RECIPE | {"colour": "red"})
    known = known_rounds(tmp_path)
    with pytest.raises(RecipeError, match=r"kept no settings .*--recipe-file"):
        recipe_of(find_past_run(tmp_path, known, "1"), None)
    with pytest.raises(RecipeError, match=r"colour: .*--recipe-file"):
        recipe_of(find_past_run(tmp_path, known, "2"), None)
    (tmp_path / "desk.yaml").write_text(yaml.safe_dump(RECIPE))
    assert recipe_of(find_past_run(tmp_path, known, "1"), tmp_path / "desk.yaml").name == "desk"
