"""The commands on a real MLflow store in a file, with evaluations on the disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from tests.tuneloop.reports.examples import make_round
from tuneloop.adapters.mlflow_registry import MlflowRegistry
from tuneloop.cli.app import PlainErrors
from tuneloop.cli.models_command import register
from tuneloop.registry.promotions import mark_registered
from tuneloop.registry.rounds import save_round
from tuneloop.registry.verdict_signature import signature_tags, signing_key
from tuneloop.results import EvaluationReport, Metric, Round, Verdict
from tuneloop.training.base_models import folder_hash

pytestmark = pytest.mark.integration

ROWS = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A workspace with three judged versions: one passed, one left to a person, one refused."""
    home = tmp_path_factory.mktemp("project")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)  # MLflow's store in a file keeps artefacts beside where it is opened
        patch.setenv("TUNELOOP_ROOT", str(home))
        patch.setenv("TUNELOOP_WORKSPACE", "workspace")
        patch.setenv("TUNELOOP_MLFLOW_URL", f"sqlite:///{home}/mlflow.db")
        patch.setenv("TUNELOOP_USER", "Ada")
        registry = MlflowRegistry(f"sqlite:///{home}/mlflow.db")
        judge(registry, home / "workspace", 1, "promote", 0.5)
        judge(registry, home / "workspace", 2, "needs_review", 0.8)
        judge(registry, home / "workspace", 3, "reject", 0.1)
        yield home


def judge(registry, workspace: Path, number: int, decision: str, score: float) -> Round:
    model = workspace / "models" / str(number)
    model.mkdir(parents=True)
    (model / "config.json").write_text(f'{{"number": {number}}}')
    digest = folder_hash(model)
    example = make_round(number)
    training = example.training.model_copy(update={"model": str(model), "adapter": str(model), "model_hash": digest})
    verdict = Verdict(decision=decision, reasons=[], candidate_hash=digest, champion_hash=None)
    candidate = evaluation(workspace / "evaluations" / str(number), digest, score, seed=number)
    base = evaluation(workspace / "evaluations/base", "base", 0.1, seed=0)
    round_ = example.model_copy(
        update={"training": training, "verdict": verdict, "candidate": candidate, "base": base}
    )  # fmt: skip
    save_round(workspace, round_)
    run_id = registry.log_round("desk", f"r{number}", params={}, metrics={}, tags={}, artifacts=[])
    tags = {"round": str(number), "model_hash": digest, "model_path": str(model), "decision": decision}
    signed = signature_tags(verdict, recipe="desk", key=signing_key(workspace))
    version = registry.register("desk", run_id, artifact=model, tags=tags | signed)
    mark_registered(registry, workspace, recipe="desk", version=version, decision=decision)
    return round_


def evaluation(folder: Path, model_hash: str, score: float, seed: int) -> EvaluationReport:
    """Scores by row around `score`, and a suite of which nothing lies on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(seed).uniform(-0.1, 0.1, ROWS)
    ids = [f"row-{n}" for n in range(ROWS)]
    pd.DataFrame({"id": ids, "cluster": ids, "rouge_l": score + draws}).to_parquet(folder / "scores.parquet")
    example = make_round().base
    metric = Metric(value=score, low=score - 0.05, high=score + 0.05, n=ROWS)
    lost = {"red_team": {"red_team_passed": Metric(value=0.7, low=0.6, high=0.8, n=56)}}
    return example.model_copy(
        update={
            "model_hash": model_hash,
            "metrics": {"rouge_l": metric},
            "suites": lost,
            "scores": str(folder / "scores.parquet"),
        }
    )


@pytest.fixture(scope="module")
def tuneloop(place):
    import typer

    app = typer.Typer(cls=PlainErrors)
    register(app)
    app.callback()(lambda: None)

    def run(*arguments: str, code: int = 0):
        result = CliRunner().invoke(app, ["models", *arguments])
        assert result.exit_code == code, result.output
        return result.output

    return run


def aliases(tuneloop) -> dict[str, str]:
    return {alias: row["version"] for row in json.loads(tuneloop("list", "--json")) for alias in row["aliases"]}


def test_the_list_shows_versions_with_decision_aliases_scores_and_the_standing_of_their_verdicts(tuneloop):
    rows = json.loads(tuneloop("list", "desk", "--json"))
    assert [(r["version"], r["decision"], r["aliases"], r["verdict"]) for r in rows] == [
        ("3", "reject", ["candidate"], "verified"),
        ("2", "needs_review", ["challenger"], "verified"),
        ("1", "promote", [], "verified"),
    ]
    assert rows[0]["metrics"]["rouge_l"]["value"] == 0.1
    shown = tuneloop("list")
    assert "challenger" in shown
    assert "rouge_l 0.80 [0.75, 0.85]" in shown


def test_two_versions_are_compared_on_the_rows_that_both_have_answered(tuneloop):
    by_name = {row["metric"]: row for row in json.loads(tuneloop("compare", "1", "challenger", "--json"))}
    rouge = by_name["rouge_l"]
    assert rouge["rows"] == ROWS
    assert rouge["low"] < 0.3 < rouge["high"]
    assert rouge["high"] - rouge["low"] < 0.1
    assert rouge["challenger"]["value"] == 0.8
    assert by_name["red_team_passed"]["change"] is None
    shown = tuneloop("compare", "challenger", "base")
    assert "worse" in shown
    assert "rows not at hand" in shown


def test_comparing_what_is_not_there_is_refused(tuneloop):
    assert "has no version 9; there are: 1, 2, 3" in tuneloop("compare", "1", "9", code=1)
    assert "shows nothing" in tuneloop("compare", "base", "base", code=1)


def test_promoting_rolling_back_and_the_audit_of_both(tuneloop, place):
    assert "the gate refused it" in tuneloop("promote", "3", "--because", "I like it", code=1)
    assert "--because needs a reason" in tuneloop("promote", "1", "--because", " ", code=1)
    tuneloop("promote", "1", "--because", "first model")
    tuneloop("promote", "challenger", "--because", "read twenty answers [all good]")
    assert aliases(tuneloop) == {"champion": "2", "previous": "1", "candidate": "3"}
    assert "champion already" in tuneloop("promote", "2", "--because", "again")
    entry = json.loads(tuneloop("rollback", "--because", "complaints", "--json"))
    assert (entry["who"], entry["from_version"], entry["to_version"]) == ("Ada", "2", "1")
    assert aliases(tuneloop) == {"champion": "1", "candidate": "3"}
    assert "no champion before this one" in tuneloop("rollback", "--because", "again", code=1)
    said = json.loads(tuneloop("audit", "--json"))
    assert said["faults"] == []
    assert [e["action"] for e in said["entries"]] == ["promote"] * 4 + ["rollback"] * 2
    assert "[all good]" in tuneloop("audit")


def test_a_tampered_trail_shows_and_gives_exit_code_1(tuneloop, place):
    file = place / "workspace/promotions/desk.jsonl"
    whole = file.read_text()
    try:
        file.write_text(whole.replace("first model", "worst model"))
        assert "line 1 was changed" in tuneloop("audit", code=1)
        file.write_text("".join(whole.splitlines(keepends=True)[:-2]))
        assert "missing from the trail" in tuneloop("audit", code=1)
    finally:
        file.write_text(whole)


def test_a_changed_verdict_shows_in_the_list_and_is_not_promoted(tuneloop, place):
    file = place / "workspace/rounds/desk/0003.json"
    whole = file.read_text()
    try:
        file.write_text(whole.replace('"decision": "reject"', '"decision": "promote"').replace('"reject"', '"promote"'))
        rows = json.loads(tuneloop("list", "--json"))
        assert [r["verdict"] for r in rows if r["version"] == "3"] == ["changed"]
        assert "not the one that was signed" in tuneloop("promote", "3", "--because", "it says promote", code=1)
    finally:
        file.write_text(whole)


def test_a_registry_that_is_not_there_is_reported_with_advice(tuneloop, monkeypatch):
    monkeypatch.delenv("TUNELOOP_MLFLOW_URL")
    assert "tuneloop up" in tuneloop("list", "desk", code=1)


def test_without_rounds_or_with_those_of_several_recipes_the_recipe_has_to_be_named(tuneloop, place, monkeypatch):
    other = place / "workspace/rounds/shop"
    other.mkdir()
    try:
        assert "say which recipe is meant: desk, shop" in tuneloop("list", code=1)
    finally:
        other.rmdir()
    monkeypatch.setenv("TUNELOOP_WORKSPACE", "empty")
    assert "no rounds in" in tuneloop("list", code=1)
