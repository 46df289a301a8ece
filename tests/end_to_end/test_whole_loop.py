"""The whole loop on real servers with a tiny Llama: two rounds, two annotators in Argilla, drift and its automation.

The tests build on each other, in the order of the file.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest
import yaml

from examples.support_desk.annotators import annotate
from examples.support_desk.traffic import send_traffic
from tests.tiny_models import make_tiny_model
from tuneloop.adapters.prefect_api import PrefectApi
from tuneloop.cli.registered_models import registry_of
from tuneloop.ports import Registry
from tuneloop.recipes import load_recipe
from tuneloop.records import Record
from tuneloop.registry.rounds import load_rounds
from tuneloop.settings import Settings
from tuneloop.stack.environment import MARKER
from tuneloop.stack.state import StackState, load_state

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]
DESK = ROOT / "examples/support_desk"
SECONDS_FOR_AUTOMATION = 90


class Project:
    """A workspace of the test's own, driven by the command line as a user would."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.recipe = folder / "tiny.yaml"
        self.model = make_tiny_model(folder / "tiny")

    def tuneloop(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tuneloop.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "TUNELOOP_ROOT": str(ROOT), "TUNELOOP_WORKSPACE": str(self.workspace), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
        return done.stdout

    def report(self) -> list[dict[str, Any]]:
        return json.loads(self.tuneloop("report", "--recipe", "tiny-desk", "--json"))

    @property
    def state(self) -> StackState:
        state = load_state(self.workspace / "stack.json")
        assert state is not None
        return state

    @property
    def registry(self) -> Registry:
        """As the command line reaches it, with the login."""
        return registry_of(Settings(root=ROOT, workspace=self.workspace))

    def processes(self) -> list[str]:
        """Command lines of everything that was started for this workspace."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get(MARKER, "").endswith(f"@{self.workspace}"):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


def write_recipe(project: Project) -> None:
    """The demo's recipe and data on a tiny model; and a gate that anything passes."""
    recipe = load_recipe(ROOT / "deployments/recipes/support-desk.yaml").model_dump(mode="json")
    recipe["name"] = "tiny-desk"
    recipe["model"] |= {"base": str(project.model), "max_tokens": 2000, "licence": "apache-2.0"}
    recipe["data"] |= {"max_train_rows": 40, "max_validation_rows": 8}
    recipe["training"] |= {"epochs": 1, "lora_rank": 4}
    recipe["evaluation"] |= {"max_rows": 8, "max_new_tokens": 8, "speed": False}
    recipe["evaluation"] |= {suite: {"max_items": 4} for suite in ("forgetting", "red_team", "bias_pairs")}
    recipe["evaluation"]["rules"] = [{"metric": "valid_json", "kind": "non_inferior", "margin": 1.0}]
    recipe["review"] |= {"max_records": 6}
    project.recipe.write_text(yaml.safe_dump(recipe))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("loop"))
    write_recipe(project)
    project.tuneloop("up")
    try:
        yield project
    finally:
        project.tuneloop("down")


def test_status_lists_every_service_as_healthy_on_the_loopback_address(project: Project) -> None:
    services = json.loads(project.tuneloop("status", "--json"))
    assert {s["name"] for s in services} == {
        "prefect",
        "mlflow",
        "argilla",
        "webhooks",
        "worker-cpu",
        "worker-training",
        "keeper",
    }
    assert {s["health"] for s in services} == {"healthy"}
    assert all(isinstance(s["pid"], int) for s in services)
    assert all(s["url"] is None or s["url"].startswith("http://127.0.0.1:") for s in services)


def test_secrets_are_private(project: Project) -> None:
    assert stat.S_IMODE((project.workspace / "stack.json").stat().st_mode) == 0o600


def test_the_first_round_runs_on_the_worker_and_is_reported(project: Project) -> None:
    project.tuneloop("run", str(project.recipe))
    (round_,) = project.report()
    assert round_["rows_in"] == 850
    assert round_["rows_quarantined"] >= 80
    assert round_["quantised_layers"] == 14
    assert round_["gate"]["decision"] == "promote"
    assert round_["gate"]["reasons"]
    assert set(round_["metrics"]["valid_json"]) == {"value", "low", "high", "n"}
    assert round_["reviews"][0]["records"] == 7, "six, and a gold item"


def test_two_annotators_answer_and_their_corrections_are_trained_on_with_their_origin(project: Project) -> None:
    review_set = project.report()[0]["reviews"][0]["review_set"]
    url, key = project.state.url("argilla"), project.state.argilla_api_key
    assert annotate(url, key, review_set, say=lambda _: None) == 14
    assert annotate(url, key, review_set, say=lambda _: None) == 0, "what is answered is not pending any more"
    project.tuneloop("run", str(project.recipe))
    first, second = load_rounds(project.workspace, "tiny-desk")
    assert second.feedback is not None
    assert second.feedback.responses == 14
    rows = pd.read_parquet(Path(second.data.folder) / "train.parquet")["record"]
    reviewed = [r for r in map(Record.from_json, map(json.loads, rows)) if r.source == "reviews"]
    assert len(reviewed) == second.feedback.corrections > 0
    assert all(r.extra["review_set"] == review_set and r.extra["reviewer"].startswith("reviewer-") for r in reviewed)
    assert second.data.version != first.data.version


def test_a_third_run_on_the_same_data_adds_no_round(project: Project) -> None:
    project.tuneloop("run", str(project.recipe))
    assert len(project.report()) == 2


def test_drift_emits_an_event_and_the_automation_starts_a_retraining_run(project: Project) -> None:
    send_traffic(project.workspace / "traffic/tiny-desk.jsonl", say=lambda _: None)
    api = PrefectApi(project.state.prefect_api_url, project.state.prefect_auth)
    watch = api.create_flow_run("drift-watch/drift-watch", {"recipe": str(project.recipe)})
    assert api.wait(watch.id, timeout_seconds=240).is_completed
    run = wait_for_drift_run(api)
    assert api.wait(run, timeout_seconds=600).is_completed
    last = load_rounds(project.workspace, "tiny-desk")[-1]
    assert (last.number, last.trigger, last.flow_run_id) == (3, "drift", run)
    # Asked for last: the server writes events down some seconds after it has acted on them.
    assert [e.payload["recipe"] for e in api.events(names=["tuneloop.drift.detected"])] == [str(project.recipe)]


def wait_for_drift_run(api: PrefectApi) -> str:
    deadline = time.monotonic() + SECONDS_FOR_AUTOMATION
    while time.monotonic() < deadline:
        for run in api.flow_runs(deployment="retraining-cycle/retraining-cycle"):
            if run.parameters["trigger"] == "drift":
                return run.id
        time.sleep(1)
    pytest.fail("the automation started no run")


def test_a_backup_of_the_running_loop_comes_up_in_another_place_and_knows_the_same(
    project: Project, tmp_path: Path
) -> None:
    project.tuneloop("backup", str(tmp_path / "loop.tar"))
    copy = copy_of(project, tmp_path / "copy")
    copy.tuneloop("restore", str(tmp_path / "loop.tar"))
    for command in (("data", "log", "--json"), ("report", "--recipe", "tiny-desk", "--json")):
        assert json.loads(copy.tuneloop(*command)) == json.loads(project.tuneloop(*command))
    copy.tuneloop("up")
    try:
        ports = set(copy.state.ports.values())
        assert not ports & set(project.state.ports.values())
        for command in (("models", "list"), ("models", "audit"), ("review", "people", "--json", "--force")):
            assert copy.tuneloop(*command) == project.tuneloop(*command)
        served = load_rounds(copy.workspace, "tiny-desk")[0].served_path
        assert Path(served).is_relative_to(copy.workspace)
        assert Path(served).is_dir()
    finally:
        copy.tuneloop("down")


def copy_of(project: Project, folder: Path) -> Project:
    copy = object.__new__(Project)
    copy.workspace, copy.recipe, copy.model = folder / "workspace", project.recipe, project.model
    return copy


def test_no_personal_data_reaches_logs_artifacts_tracking_or_reports(project: Project) -> None:
    """The flawed rows hold made-up personal data; all of them are quarantined, and none may be seen in a log."""
    secrets = (b"brambleandtea@example.com", b"GB82 WEST", b"Margaret Okonkwo", b"Tulip-Garden-88")
    training_file = (DESK / "train.jsonl").read_bytes()
    assert all(secret in training_file for secret in secrets)
    shown = [f for name in ("logs", "prefect", "mlflow", "rounds") for f in (project.workspace / name).rglob("*")]
    files = [f for f in shown if f.is_file()]
    assert {"prefect.db", "mlflow.db", "report.html"} <= {f.name for f in files}
    assert [(f.name, s) for f in files for s in secrets if s in f.read_bytes()] == []


def test_down_leaves_no_process_behind(project: Project) -> None:
    assert len(project.processes()) >= 5
    project.tuneloop("down")
    assert project.processes() == []
