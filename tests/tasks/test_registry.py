"""The registry's tasks on a real MLflow store in a file, called as plain functions: Prefect only adds the retries."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from prefect.states import Failed

from tasks.approval import promote
from tasks.caching import worth_repeating
from tasks.registry import champion_of, register
from tests.tuneloop.reports.examples import make_round
from tuneloop.adapters.mlflow_registry import MlflowRegistry
from tuneloop.errors import ServiceError
from tuneloop.recipes import Recipe
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.promotion_checks import PromotionRefused
from tuneloop.registry.promotions import roll_back
from tuneloop.registry.rounds import save_round
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.results import Metric, Reason, Round, Verdict
from tuneloop.training.base_models import folder_hash

pytestmark = pytest.mark.integration

RECIPE = Recipe.model_validate(
    {"name": "desk", "data": {"sources": [{"name": "rows", "path": "rows.jsonl"}]}, "model": {"base": "tiny"}}
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all tests: making its tables takes seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def workspace(tmp_path, store, monkeypatch):
    monkeypatch.chdir(store)  # MLflow's store in a file keeps artefacts beside where it is opened
    monkeypatch.setenv("TUNELOOP_ROOT", str(tmp_path))
    monkeypatch.setenv("TUNELOOP_WORKSPACE", "workspace")
    monkeypatch.setenv("TUNELOOP_MLFLOW_URL", f"sqlite:///{store}/mlflow.db")
    return tmp_path / "workspace"


@pytest.fixture
def registry(store):
    return MlflowRegistry(f"sqlite:///{store}/mlflow.db")


@pytest.fixture
def recipe(request):
    """A name of the test's own in the shared store."""
    return RECIPE.model_copy(update={"name": request.node.name.replace("_", "-")[:60]})


def judged(workspace: Path, recipe: Recipe, number: int, decision: str = "promote", champion: str | None = None):
    """A round with a model on the disk, saved as the loop saves it before registering."""
    model = workspace / "models" / str(number)
    model.mkdir(parents=True)
    (model / "config.json").write_text(json.dumps({"name": recipe.name, "number": number}))
    digest = folder_hash(model)
    example = make_round(number, recipe=recipe.name, environment={"commit": "c0ffee", "torch": "2.13.0"})
    verdict = Verdict(
        decision=decision,
        reasons=[Reason(rule="loss better than base", passed=True, text="yes")],
        candidate_hash=digest,
        champion_hash=champion,
    )
    training = example.training.model_copy(update={"model": str(model), "adapter": str(model), "model_hash": digest})
    settings = {"name": recipe.name, "evaluation": {"metrics": ("rouge_l",)}}
    candidate = example.candidate.model_copy(update={"model_hash": digest})
    parts = {"training": training, "candidate": candidate, "verdict": verdict, "settings": settings}
    round_ = example.model_copy(update=parts)
    save_round(workspace, round_)
    return round_


def run_of(registry, run_id):
    return registry._client.get_run(run_id)


def text_of(registry, run_id: str, name: str, place: Path) -> str:
    return Path(registry._client.download_artifacts(run_id, name, str(place))).read_text()


def test_a_run_holds_parameters_scores_of_slices_code_environment_recipe_and_verdict(
    workspace, registry, recipe, tmp_path
):
    plain = judged(workspace, recipe, 1)
    part = {"label:category=a/b": {"valid_json": Metric(value=0.25, low=0.1, high=0.4, n=9)}}
    round_ = plain.model_copy(update={"candidate": plain.candidate.model_copy(update={"slices": part})})
    run_id, _ = register.fn(recipe, round_, [])
    run = run_of(registry, run_id)
    assert run.data.params["training.lora_rank"] == str(recipe.training.lora_rank)
    assert run.data.metrics["candidate_valid_json"] == 0.9
    assert run.data.metrics["candidate_valid_json/label:category:a_b"] == 0.25
    assert run.data.metrics["base_general_skills"] == 0.4
    assert run.data.tags["mlflow.source.git.commit"] == "c0ffee"
    assert run.data.tags["environment.torch"] == "2.13.0"
    assert run.data.tags["data_version"] == "d1"
    assert Verdict.model_validate_json(text_of(registry, run_id, "verdict.json", tmp_path)) == round_.verdict
    scores = json.loads(text_of(registry, run_id, "scores.json", tmp_path))
    assert scores["candidate"]["valid_json/label:category=a_b"]["low"] == 0.1
    assert yaml.safe_load(text_of(registry, run_id, "recipe-as-run.yaml", tmp_path))["name"] == recipe.name


def test_a_passed_round_becomes_the_champion_once_and_stays_rolled_back_when_it_is_finished_again(
    workspace, registry, recipe
):
    first = judged(workspace, recipe, 1)
    second = judged(workspace, recipe, 2, champion=first.training.model_hash)
    for round_ in (first, second):
        _, version = register.fn(recipe, round_, [])
        assert [v.aliases for v in registry.versions(recipe.name)][-1] == ("candidate",)
        promote.fn(recipe.name, version)
        promote.fn(recipe.name, version)
    assert champion_of.fn(recipe.name)["model_hash"] == second.training.model_hash
    roll_back(registry, workspace, recipe=recipe.name, because="bad", person="ada", hash_of=folder_hash)
    _, version = register.fn(recipe, second, [])
    promote.fn(recipe.name, version)
    assert champion_of.fn(recipe.name)["model_hash"] == first.training.model_hash
    entries = AuditTrail(workspace, recipe.name, signing_key(workspace)).entries()
    assert [(e.action, e.who) for e in entries if e.step == "done"] == [
        ("promote", "gate"), ("promote", "gate"), ("rollback", "ada"),
    ]  # fmt: skip


def test_a_verdict_about_an_older_champion_leaves_the_version_to_a_person(workspace, registry, recipe):
    _, first = register.fn(recipe, judged(workspace, recipe, 1), [])
    promote.fn(recipe.name, first)
    _, late = register.fn(recipe, judged(workspace, recipe, 2), [])
    promote.fn(recipe.name, late)
    assert {v.version: v.aliases for v in registry.versions(recipe.name)} == {
        first: ("champion",), late: ("challenger",),
    }  # fmt: skip


def test_a_round_that_was_edited_after_it_was_registered_is_refused(workspace, registry, recipe):
    round_ = judged(workspace, recipe, 1, "reject")
    _, version = register.fn(recipe, round_, [])
    edited = round_.model_copy(update={"verdict": round_.verdict.model_copy(update={"decision": "promote"})})
    save_round(workspace, edited)
    with pytest.raises(PromotionRefused, match="another verdict"):
        register.fn(recipe, edited, [])
    with pytest.raises(PromotionRefused, match="not the one that was signed"):
        promote.fn(recipe.name, version)
    assert champion_of.fn(recipe.name) is None


def test_a_later_round_that_ends_in_the_champions_weights_leaves_the_champions_record_alone(
    workspace, registry, recipe
):
    round_ = judged(workspace, recipe, 1)
    _, version = register.fn(recipe, round_, [])
    promote.fn(recipe.name, version)
    refused = round_.verdict.model_copy(update={"decision": "reject"})
    again: Round = round_.model_copy(update={"number": 2, "training_key": "key-2", "verdict": refused})
    save_round(workspace, again)
    assert register.fn(recipe, again, [])[1] == version
    assert champion_of.fn(recipe.name)["decision"] == "promote"
    assert champion_of.fn(recipe.name)["round"] == "1"


@pytest.mark.parametrize(("error", "repeated"), [(ServiceError("away"), True), (PromotionRefused("no"), False)])
def test_only_a_server_that_is_away_is_asked_again(error, repeated):
    assert worth_repeating(None, None, Failed(data=error)) is repeated
