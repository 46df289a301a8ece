"""The private test as a task: a real Prefect run, a real MLflow store, a tiny Llama."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client

from tests.tuneloop.evaluation.private_rows import a_record, write_rows
from tests.tuneloop.reports.examples import make_round
from tuneloop.errors import ModelError
from tuneloop.evaluation.private_uses import UseLedger
from tuneloop.recipes import Recipe, load_recipe
from tuneloop.results import Round
from tuneloop.results.private_test import PrivateReport
from tuneloop.training.export.served import artefact_hash

pytestmark = pytest.mark.flow


@pytest.fixture
def recipe(place: Path) -> Recipe:
    loaded = load_recipe(place / "recipe.yaml").model_copy(update={"name": "private-desk"})
    quick = {"forgetting": None, "red_team": None, "bias_pairs": None, "speed": False, "max_new_tokens": 4}
    return loaded.model_copy(update={"evaluation": loaded.evaluation.model_copy(update=quick)})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("private", "test", "validation"):
        write_rows(tmp_path / f"{name}.parquet", [a_record(i) for i in range(4)])
    return tmp_path


def judged(place: Path, data: Path, decision: str = "promote", **training: Any) -> Round:
    round_ = make_round(recipe="private-desk")
    model = {"model": str(place / "tiny"), "model_hash": artefact_hash(place / "tiny")}
    trained = model | training
    return round_.model_copy(
        update={
            "data": round_.data.model_copy(update={"folder": str(data)}),
            "training": round_.training.model_copy(update=trained),
            "candidate": round_.candidate.model_copy(update={"model_hash": trained["model_hash"]}),
            "verdict": round_.verdict.model_copy(update={"decision": decision}),
        }
    )


def scored(recipe: Recipe, round_: Round) -> PrivateReport | None:
    from tasks.evaluation import private_score

    return flow(lambda: private_score(recipe, round_), name="one private test", persist_result=False)()


def artifact(key: str) -> str:
    with get_client(sync_client=True) as client:
        found = [a for a in client.read_artifacts(limit=200) if a.key == key]
    return str(max(found, key=lambda a: a.created).data)


@pytest.mark.parametrize("decision", ["reject", "needs_review"])
def test_a_model_that_is_not_promoted_is_never_scored(place: Path, recipe: Recipe, data: Path, decision: str) -> None:
    assert scored(recipe, judged(place, data, decision)) is None
    assert UseLedger.of(place / "workspace", "private-desk").entries() == []


def test_without_private_rows_nothing_happens(place: Path, recipe: Recipe, data: Path) -> None:
    (data / "private.parquet").unlink()

    assert scored(recipe, judged(place, data)) is None


def test_a_promoted_model_is_scored_once_tracked_and_shown(place: Path, recipe: Recipe, data: Path) -> None:
    from mlflow import MlflowClient

    report = scored(recipe, judged(place, data))

    assert report is not None
    assert report == scored(recipe, judged(place, data))
    assert len(UseLedger.of(place / "workspace", "private-desk").entries()) == 1
    client = MlflowClient(tracking_uri=f"sqlite:///{place}/mlflow.db")
    experiment = client.get_experiment_by_name("private-desk")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.metrics == pytest.approx(report.tracked)
    assert "private_loss" in run.data.metrics
    shown = artifact("private-test-private-desk")
    assert "4 rows that no model is trained on" in shown
    assert "secret" not in shown


def test_a_model_that_is_not_the_one_that_was_judged_is_never_scored(place: Path, recipe: Recipe, data: Path) -> None:
    with pytest.raises(ModelError, match="does not hold the model that it should"):
        scored(recipe, judged(place, data, model_hash="m2"))


def test_a_second_candidate_is_warned_of_where_people_look(place: Path, recipe: Recipe, data: Path) -> None:
    other = shutil.copytree(place / "tiny", data / "other")
    (other / "more.json").write_text("{}")
    report = scored(recipe, judged(place, data, model=str(other), model_hash=artefact_hash(other)))

    assert report is not None
    assert "2 candidates" in report.warnings[0]
    assert "2 candidates" in artifact("private-test-private-desk")
