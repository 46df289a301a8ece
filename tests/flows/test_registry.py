"""A registry that somebody wrote to stops the cycle, and what was deleted there is made again by it. The tests build on
each other."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.flows.conftest import NOUNS, TROUBLES, tiny_recipe, write_rows
from tuneloop.registry.champion import ChampionError
from tuneloop.registry.repairs import repair_from_registry, repair_from_trail
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import Round
from tuneloop.training.export.served import artefact_hash

pytestmark = pytest.mark.flow

NAME = "tiny-registry"


@pytest.fixture(scope="module")
def recipe(place: Path) -> str:
    found: Any = tiny_recipe(place) | {"name": NAME}
    rules = [{"metric": "loss", "kind": "non_inferior", "against": "base", "margin": 1.0}]
    evaluation = {"metrics": ["valid_json"], "max_rows": 10, "max_new_tokens": 4, "rules": rules, "speed": False}
    found["evaluation"] = evaluation | dict.fromkeys(("forgetting", "red_team", "bias_pairs"))
    found["data"]["sources"] = [{"name": "rows", "path": "registry.jsonl"}]  # enough rows for the gate to be sure
    write_rows(place / "registry.jsonl", [(f"{c} {n}", t) for c in ("red", "blue") for n in NOUNS for t in TROUBLES])
    (place / "registry.yaml").write_text(yaml.safe_dump(found))
    return "registry.yaml"


@pytest.fixture
def intruder(place: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db", registry_uri=f"sqlite:///{place}/mlflow.db")


def turn(recipe: str) -> None:
    from flows.retraining_cycle import retraining_cycle

    retraining_cycle(recipe)


def rounds_of(place: Path) -> list[Round]:
    return load_rounds(place / "workspace", NAME)


def repair(act: Any) -> Any:
    from tasks import wiring

    how = {"recipe": NAME, "because": "looked at it", "person": "ada", "hash_of": artefact_hash}
    return act(wiring.registry(), wiring.workspace(), **how)


def champion() -> Any:
    from tasks.registry import champion_of

    return champion_of.fn(NAME)


def test_a_champion_that_somebody_set_stops_the_cycle_before_it_trains(place: Path, recipe: str, intruder: Any) -> None:
    run = intruder.create_run("0")
    intruder.create_registered_model(NAME)
    intruder.create_model_version(NAME, source=f"runs:/{run.info.run_id}/evil", run_id=run.info.run_id)
    intruder.set_registered_model_alias(NAME, "champion", "1")
    with pytest.raises(ChampionError, match="models repair"):
        turn(recipe)
    assert rounds_of(place) == []
    repair(repair_from_trail)
    turn(recipe)
    (round_,) = rounds_of(place)
    assert round_.verdict.decision == "promote", [r for r in round_.verdict.reasons if not r.passed]
    assert set(round_.folders) == {"served", "adapter"}
    assert round_.training.adapter_hash
    assert champion()["version"] == round_.model_version == "2"


def test_a_champion_that_was_tampered_with_is_not_evaluated_nor_trained_from(place: Path, recipe: str) -> None:
    from flows.model_evaluation import model_evaluation

    (round_,) = rounds_of(place)
    file = Path(round_.training.model) / "tokenizer_config.json"
    whole = file.read_bytes()
    file.write_text("{}")
    for flow in (turn, model_evaluation):
        with pytest.raises(ChampionError, match=r"tokenizer_config.json changed"):
            flow(recipe)
    file.write_bytes(whole)
    turn(recipe)
    assert rounds_of(place) == [round_]


def test_a_champion_that_was_taken_away_stops_the_cycle_until_a_person_has_looked(
    place: Path, recipe: str, intruder: Any
) -> None:
    intruder.delete_registered_model_alias(NAME, "champion")
    with pytest.raises(ChampionError, match="was taken away"):
        turn(recipe)
    assert repair(repair_from_registry).action == "retire"
    turn(recipe)
    assert champion() is None


def test_a_version_that_was_deleted_is_registered_again_and_a_person_s_no_holds(
    place: Path, recipe: str, intruder: Any
) -> None:
    intruder.delete_model_version(NAME, "2")
    turn(recipe)
    (round_,) = rounds_of(place)
    assert round_.model_version == "3"
    assert intruder.get_model_version(NAME, "3").tags["model_hash"] == round_.training.model_hash
    assert champion() is None


def test_a_version_that_was_deleted_with_its_model_is_trained_again(place: Path, recipe: str, intruder: Any) -> None:
    (first,) = rounds_of(place)
    intruder.delete_model_version(NAME, "3")
    shutil.rmtree(first.training.model)
    shutil.rmtree(first.training.adapter)
    turn(recipe)
    again = rounds_of(place)[-1]
    assert (again.number, again.model_version) == (2, "4")
    assert again.training.model_hash == first.training.model_hash
    turn(recipe)
    assert rounds_of(place)[-1] == again
