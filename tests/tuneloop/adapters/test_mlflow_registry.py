import math
from pathlib import Path

import pytest

from tests.tuneloop.adapters.mlflow_server import running_mlflow
from tuneloop.adapters.mlflow_registry import MlflowRegistry, artifact_hash
from tuneloop.errors import ServiceError

needs_server = pytest.mark.slow


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The stack's tracking server with its login and its list of routes; artefacts travel through it."""
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as (state, _), pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", state.mlflow_username)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", state.mlflow_password)
        yield state.url("mlflow")


@pytest.fixture
def registry(url):
    return MlflowRegistry(url)


@pytest.fixture
def adapter(tmp_path):
    folder = tmp_path / "adapter"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights.safetensors").write_bytes(b"weights")
    (folder / "deep" / "config.json").write_text("{}")
    return folder


def log(registry, **changes):
    return registry.log_round(
        changes.pop("experiment", "desk"),
        changes.pop("run_name", "round-1"),
        **({"params": {}, "metrics": {}, "tags": {}, "artifacts": []} | changes),
    )


def log_id(registry, run_name):
    experiment = registry._client.get_experiment_by_name("desk").experiment_id
    (run,) = registry._client.search_runs([experiment], f"tags.`tuneloop.round` = '{run_name}'")
    return run.info.run_id


def run_of(registry, run_id):
    return registry._client.get_run(run_id)


@needs_server
def test_a_round_is_recorded_once_and_updated(registry, tmp_path):
    (tmp_path / "report.html").write_text("<p>fine</p>")
    first = log(
        registry, params={"rate": 1e-4, "rank": 16}, metrics={"loss": 2.0}, artifacts=[tmp_path / "report.html"]
    )
    again = log(
        registry, params={"rate": 2e-4, "new": 1}, metrics={"loss": 1.5, "rouge_l": 0.4}, tags={"decision": "promote"}
    )
    run = run_of(registry, first)
    assert again == first
    assert run.info.run_name == "round-1"
    assert run.info.status == "FINISHED"
    assert run.data.params == {"rate": "0.0001", "rank": "16", "new": "1"}
    assert run.data.tags["tuneloop.updated.rate"] == "0.0002"
    assert run.data.metrics == {"loss": 1.5, "rouge_l": 0.4}
    assert run.data.tags["decision"] == "promote"
    assert [a.path for a in registry._client.list_artifacts(first)] == ["report.html"]


@needs_server
def test_the_same_round_of_another_experiment_is_another_run(registry):
    assert log(registry, experiment="a's desk") != log(registry, experiment="b")


@needs_server
def test_curves_of_a_run_that_is_repeated_hold_each_step_once_and_the_round_is_the_same_run(registry):
    whole = {"training/loss": [(step, 3.0 - step / 100) for step in range(1, 131)], "training/rate": [(1, math.nan)]}
    part = {name: points[:40] for name, points in whole.items()}
    for curves in (part, part, whole):
        registry.log_curves("desk", "round-live", curves=curves, finished=False)
    run_id = log(registry, run_name="round-live", metrics={"train_loss": 1.7})
    seen = registry._client.get_metric_history(run_id, "training/loss")
    assert sorted((m.step, m.value) for m in seen) == whole["training/loss"]
    assert run_of(registry, run_id).data.metrics == {"training/loss": 1.7, "train_loss": 1.7}
    assert run_of(registry, run_id).info.status == "FINISHED"


@needs_server
def test_a_run_is_running_until_its_curves_are_finished(registry):
    status = []
    for finished in (False, True):
        registry.log_curves("desk", "round-alone", curves={"training/loss": [(1, 2.0)]}, finished=finished)
        status.append(run_of(registry, log_id(registry, "round-alone")).info.status)
    assert status == ["RUNNING", "FINISHED"]


@needs_server
def test_more_values_than_one_request_takes_and_odd_ones(registry):
    params = {f"p{n}": "x" * 9000 for n in range(130)}
    metrics = {f"m{n}": float(n) for n in range(250)} | {"nan": math.nan, "inf": math.inf}
    run = run_of(registry, log(registry, run_name="big", params=params, metrics=metrics))
    assert len(run.data.params) == 130
    assert len(run.data.metrics) == 250


@needs_server
def test_an_artefact_is_one_version_however_often_it_is_registered(registry, adapter):
    run = log(registry, run_name="round-2")
    first = registry.register("once", run, artifact=adapter, tags={"model_hash": "h"})
    assert registry.register("once", run, artifact=adapter, tags={"model_hash": "h", "late": "yes"}) == first
    version = registry._client.get_model_version("once", first)
    assert version.source == f"runs:/{run}/adapter/{artifact_hash(adapter)[:12]}"
    assert version.tags["late"] == "yes"
    found = registry._client.download_artifacts(run, f"adapter/{artifact_hash(adapter)[:12]}", str(adapter.parent))
    assert artifact_hash(Path(found)) == artifact_hash(adapter)


@needs_server
def test_another_artefact_of_the_same_run_is_another_version_and_overwrites_nothing(registry, adapter):
    run = log(registry, run_name="round-3")
    first = registry.register("twice", run, artifact=adapter, tags={})
    old = artifact_hash(adapter)
    (adapter / "weights.safetensors").write_bytes(b"other weights")
    assert registry.register("twice", run, artifact=adapter, tags={}) != first
    found = registry._client.download_artifacts(run, f"adapter/{old[:12]}", str(adapter.parent))
    assert artifact_hash(Path(found)) == old


@needs_server
def test_names_of_slices_become_names_that_mlflow_takes_and_documents_become_files(registry):
    metrics = {"candidate_rouge_l/label:city=Köln & Bonn": 0.5}
    run_id = log(registry, run_name="named", metrics=metrics, documents={"verdict.json": '{"decision": "reject"}'})
    log(registry, run_name="named", metrics=metrics)
    assert run_of(registry, run_id).data.metrics == {"candidate_rouge_l/label:city:K_ln _ Bonn": 0.5}
    assert len(registry._client.get_metric_history(run_id, "candidate_rouge_l/label:city:K_ln _ Bonn")) == 1
    assert registry._client.list_artifacts(run_id)[0].path == "verdict.json"


@needs_server
def test_versions_carry_their_aliases_and_tags_oldest_first(registry, adapter):
    run = log(registry, run_name="round-4")
    assert registry.versions("moving") == []
    for content in (b"1", b"2"):
        (adapter / "weights.safetensors").write_bytes(content)
        registry.register("moving", run, artifact=adapter, tags={"model_hash": content.decode()})
    registry.set_alias("moving", "champion", "2")
    registry.set_alias("moving", "candidate", "2")
    registry.set_alias("moving", "previous", "1")
    registry.set_tags("moving", "1", {"promotion_seal": "s"})
    first, second = registry.versions("moving")
    assert (first.version, first.aliases, first.run_id) == ("1", ("previous",), run)
    assert (first.tags["model_hash"], first.tags["promotion_seal"]) == ("1", "s")
    assert (second.version, second.aliases) == ("2", ("candidate", "champion"))
    assert second.created_at.endswith("+00:00")


@needs_server
def test_an_alias_can_be_taken_away_as_often_as_one_likes(registry, adapter):
    run = log(registry, run_name="round-5")
    version = registry.register("aliases", run, artifact=adapter, tags={})
    registry.set_alias("aliases", "candidate", version)
    for _ in range(2):
        registry.set_alias("aliases", "candidate", None)
    assert registry.versions("aliases")[0].aliases == ()


@needs_server
def test_an_alias_of_what_does_not_exist_is_an_error(registry):
    with pytest.raises(ServiceError, match="nothing not found"):
        registry.set_alias("nothing", "champion", "77")


@needs_server
def test_a_wrong_login_is_reported_with_what_to_set_and_without_the_password(url, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "not-the-password")
    with pytest.raises(ServiceError, match="MLFLOW_TRACKING_PASSWORD") as refused:
        MlflowRegistry(url).champion("desk")
    assert "not-the-password" not in str(refused.value)


@needs_server
def test_a_server_that_is_not_there_is_reported_with_advice():
    with pytest.raises(ServiceError, match="tuneloop up"):
        MlflowRegistry("http://127.0.0.1:9").versions("desk")


def test_the_hash_of_an_artefact_sees_names_and_contents(adapter):
    before = artifact_hash(adapter)
    assert artifact_hash(adapter) == before
    (adapter / "weights.safetensors").rename(adapter / "other.safetensors")
    renamed = artifact_hash(adapter)
    (adapter / "other.safetensors").write_bytes(b"changed")
    assert len({before, renamed, artifact_hash(adapter)}) == 3
