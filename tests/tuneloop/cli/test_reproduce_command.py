"""`tuneloop reproduce` on a tiny model: trained once by the library, then again by the command."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.tiny_models import make_tiny_model
from tests.tuneloop.reports.data_examples import make_manifest
from tests.tuneloop.reports.examples import make_round
from tuneloop.cli import reproduce_command
from tuneloop.cli.app import PlainErrors
from tuneloop.data.snapshots import write_snapshot
from tuneloop.recipes import Recipe
from tuneloop.records import Message, Record
from tuneloop.registry.environment import environment_of
from tuneloop.registry.rounds import save_round
from tuneloop.results import Round
from tuneloop.training.base_models import folder_hash
from tuneloop.training.fine_tuning import fine_tune
from tuneloop.training.identity import training_folder, training_key

pytestmark = pytest.mark.integration
Tuneloop = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one round of the loop, trained for real."""
    root = tmp_path_factory.mktemp("project")
    workspace = root / "ws"
    base = make_tiny_model(root / "base")
    recipe = Recipe.model_validate(
        {
            "name": "desk",
            "data": {"sources": [{"name": "desk", "path": "desk.jsonl"}], "checks": {"languages": []}},
            "model": {"base": str(base), "max_tokens": 128, "licence": "apache-2.0"},
            "training": {"epochs": 2, "batch_size": 4, "lora_rank": 2, "learning_rate": 1e-3},
        }
    )
    save_round(workspace, train_round(root, workspace, recipe, base))
    return root


def train_round(root: Path, workspace: Path, recipe: Recipe, base: Path) -> Round:
    version = write_version(workspace)
    base_hash = folder_hash(base)
    report = fine_tune(
        base=base,
        train_file=workspace / "data" / version / "train.parquet",
        validation_file=workspace / "data" / version / "validation.parquet",
        out=training_folder(workspace, recipe, base_hash, version),
        system_prompt=recipe.model.system_prompt,
        max_tokens=recipe.model.max_tokens,
        config=recipe.training,
        data_version=version,
        threads=1,
    )
    return make_round(
        training_key=training_key(recipe, base_hash, version),
        data=make_round().data.model_copy(update={"version": version}),
        training=report,
        settings=recipe.model_dump(mode="json"),
        environment=environment_of(root),
        mlflow_run_id="f" * 32,
    )


def write_version(workspace: Path) -> str:
    config = {"data": {"sources": []}, "max_tokens": 128}

    def describe(version: str, _: Any) -> Any:
        return make_manifest(version, config=config, rows={"train": 16, "validation": 4, "test": 0})

    rows = [("train" if n < 16 else "validation", row(n)) for n in range(20)]
    texts = [(split, r.id, f"cluster-{r.id}", json.dumps(r.to_json(), ensure_ascii=False)) for split, r in rows]
    return write_snapshot(workspace, rows=texts, quarantine=[], config=config, describe=describe).name


def row(number: int) -> Record:
    prompt = f"The parcel {number} is late. " * (1 + number % 3)
    return Record(f"r{number}", (Message("user", prompt), Message("assistant", f"It is {number}.")), "desk", number + 1)


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A copy to break; the round goes on naming the first project's model, which is only read."""
    shutil.copytree(trained / "ws", tmp_path / "ws", ignore=shutil.ignore_patterns("reproductions"))
    return tmp_path


def command(root: Path) -> Tuneloop:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)
    reproduce_command.register(app)

    def run(*arguments: str) -> Result:
        environment = {"TUNELOOP_ROOT": str(root), "TUNELOOP_WORKSPACE": "ws", "TUNELOOP_THREADS": "1"}
        return CliRunner().invoke(app, ["reproduce", *arguments], env=environment)

    return run


def change_round(root: Path, **changes: Any) -> None:
    file = root / "ws" / "rounds" / "desk" / "0001.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_repeated_training_comes_to_the_same_model_bit_by_bit(trained: Path) -> None:
    result = command(trained)("1", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["comparison"]["outcome"] == "identical"
    assert found["comparison"]["model_hash_now"] == found["comparison"]["model_hash_then"]
    assert found["comparison"]["losses"] == {"largest_train": 0.0, "largest_eval": 0.0, "unlike_steps": 0}
    assert [f["state"] for f in found["findings"]] == ["same"] * 4
    assert json.loads((Path(found["folder"]) / "reproduction.json").read_text()) == found


def test_a_second_call_returns_the_finished_repetition_without_training(trained: Path) -> None:
    first = json.loads(command(trained)("1", "--json").stdout)
    weights = Path(first["folder"]) / "adapter" / "adapter_model.safetensors"
    written = weights.stat().st_mtime_ns
    assert json.loads(command(trained)("1", "--json").stdout) == first
    assert weights.stat().st_mtime_ns == written


def test_checking_alone_trains_nothing(project: Path) -> None:
    result = command(project)("1", "--check-only")
    assert result.exit_code == 0, result.output
    assert "rows and configuration are as its name says" in result.output
    assert not (project / "ws" / "reproductions").exists()


@pytest.mark.parametrize("name", ["f" * 32, "KEY", "FOLDER"])
def test_a_run_is_found_by_any_of_its_names(trained: Path, name: str) -> None:
    folder = next((trained / "ws" / "models" / "desk").iterdir())
    run = {"KEY": folder.name[:8], "FOLDER": str(folder)}.get(name, name)
    result = command(trained)(run, "--check-only", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["key"] == folder.name


def test_another_seed_comes_to_a_different_model_and_exit_code_1(project: Path) -> None:
    settings = json.loads((project / "ws/rounds/desk/0001.json").read_text())["settings"]
    settings["training"]["seed"] = 18
    change_round(project, settings=settings)
    result = command(project)("1")
    assert result.exit_code == 1
    assert "different: weights differ by up to" in result.output
    assert "not the recipe of then" in result.output


def test_changed_rows_are_noticed_and_nothing_is_trained(project: Path) -> None:
    (version,) = (project / "ws" / "data").iterdir()
    shutil.copy(version / "validation.parquet", version / "train.parquet")
    result = command(project)("1")
    assert result.exit_code == 1
    assert "was changed: its content is" in result.output
    assert "cannot be repeated here" in result.output
    assert not (project / "ws" / "reproductions").exists()


def test_rows_that_are_gone_can_be_made_again_from_named_sources(project: Path) -> None:
    (version,) = (project / "ws" / "data").iterdir()
    (version / "train.parquet").unlink()
    result = command(project)("1")
    assert result.exit_code == 1
    assert "run the flow data-validation" in result.output
    assert "desk (desk.jsonl, sha256 ffffffffffff: gone)" in result.output


def test_what_is_different_around_it_is_shown_with_whether_it_matters(project: Path) -> None:
    change_round(project, environment=environment_of(project) | {"torch": "2.12.0", "cores": "99"})
    shown = json.loads(command(project)("1", "--check-only", "--json").stdout)
    assert {d["name"]: d["may_change_model"] for d in shown["differences"]} == {"torch": True, "cores": False}
    assert shown["findings"][-1]["text"] == "other than then, and may change the model: torch"


def test_a_round_without_settings_asks_for_the_recipe_and_takes_it(project: Path) -> None:
    settings = json.loads((project / "ws/rounds/desk/0001.json").read_text())["settings"]
    change_round(project, settings={})
    refused = command(project)("1", "--check-only")
    assert refused.exit_code == 1
    assert "--recipe-file" in refused.output
    (project / "desk.yaml").write_text(json.dumps(settings))
    assert command(project)("1", "--check-only", "--recipe-file", "desk.yaml").exit_code == 0


def test_an_adapter_to_go_on_from_that_is_gone_blocks_the_repetition(project: Path) -> None:
    report = json.loads((project / "ws/rounds/desk/0001.json").read_text())["training"]
    change_round(project, training=report | {"start": "0123456789ab"})
    result = command(project)("1")
    assert result.exit_code == 1
    assert "went on from the adapter 0123456789ab" in result.output
