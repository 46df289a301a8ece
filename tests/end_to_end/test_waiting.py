"""Waiting for people on real servers: no process is held, a kill loses nothing, and answers wake the loop.

The tests build on each other, in the order of the file.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from examples.support_desk.annotators import GOLD, annotate
from tests.end_to_end.test_whole_loop import ROOT, Project, write_recipe
from tuneloop.adapters.prefect_api import FlowRun, PrefectApi
from tuneloop.registry.rounds import load_rounds
from tuneloop.results import Round
from tuneloop.review.rows import read_rows
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import living_flow_runs
from tuneloop.stack.supervisor import Supervisor

pytestmark = [pytest.mark.end_to_end, pytest.mark.slow]

NAME = "tiny-desk"
COLLECT = "human-review/human-review"
SECONDS = 180
"""A busy machine is slow; on an idle one everything here takes seconds."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("waiting"))
    write_recipe(project)
    recipe = yaml.safe_load(project.recipe.read_text())
    recipe["review"] |= {"approval": True, "min_submitted": 1, "retrain_after_answers": 5}
    project.recipe.write_text(yaml.safe_dump(recipe))
    project.tuneloop("up")
    try:
        yield project
    finally:
        project.tuneloop("down")


def layout(project: Project) -> Layout:
    return Layout(ROOT, project.workspace)


def api(project: Project) -> PrefectApi:
    return PrefectApi(project.state.prefect_api_url, project.state.prefect_auth)


def rounds(project: Project) -> list[Round]:
    return load_rounds(project.workspace, NAME)


def collecting_runs(project: Project) -> list[FlowRun]:
    """Those that an event started: they carry a recipe; the sweep carries none."""
    return [run for run in api(project).flow_runs(deployment=COLLECT) if run.parameters.get("recipe")]


def responses(project: Project) -> int:
    return len(read_rows(project.workspace / "feedback" / NAME / "responses.jsonl"))


def becomes(condition: Callable[[], bool]) -> float:
    """Seconds until the condition holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < SECONDS, "it never came to be"
        time.sleep(0.5)
    return time.monotonic() - began


def answer(project: Project, tmp_path: Path, count: int) -> int:
    """One annotator submits so many answers through Argilla's API."""
    open_prompts = GOLD.read_text("utf-8").splitlines()
    done = 0
    for line in open_prompts:
        (tmp_path / "gold.jsonl").write_text(line)
        done += annotate(
            project.state.url("argilla"), project.state.argilla_api_key, f"{NAME}-round-1",
            tmp_path / "gold.jsonl", names=("robin",), say=lambda _: None,
        )  # fmt: skip
        if done == count:
            break
    return done


def champion(project: Project) -> str | None:
    """Hash of the model in production."""
    versions = json.loads(project.tuneloop("models", "list", NAME, "--json"))
    return next((v["model_hash"] for v in versions if "champion" in v["aliases"]), None)


def test_a_model_that_passed_the_gate_is_not_promoted_and_no_process_waits_for_the_click(project: Project) -> None:
    assert "waits for a person" in project.tuneloop("run", str(project.recipe))
    (round_,) = rounds(project)
    assert round_.approval is not None
    assert round_.approval.decision is None
    assert champion(project) is None
    becomes(lambda: living_flow_runs(layout(project)) == set())


def test_a_kill_of_server_and_workers_leaves_the_question_where_it_was(project: Project) -> None:
    states = Supervisor(layout(project)).states()
    for name in ("prefect", "worker-cpu", "worker-training"):
        for process in [psutil.Process(states[name].pid), *psutil.Process(states[name].pid).children(recursive=True)]:
            os.kill(process.pid, signal.SIGKILL)
    project.tuneloop("up")
    (round_,) = rounds(project)
    assert round_.approval is not None
    run = api(project).flow_run(round_.approval.flow_run_id)
    assert (run.state, run.waits_for_a_person) == ("Suspended", True)


def test_a_nightly_run_meanwhile_asks_nobody_again(project: Project) -> None:
    before = rounds(project)
    project.tuneloop("run", str(project.recipe), "--trigger", "schedule")
    assert rounds(project) == before


def test_the_click_promotes_and_the_review_set_is_published(project: Project) -> None:
    project.tuneloop("review", "approve", NAME, "--because", "looks right")
    becomes(lambda: rounds(project)[0].complete)
    (round_,) = rounds(project)
    assert champion(project) == round_.training.model_hash
    assert [report.records for report in round_.reviews] == [7], "six, and a gold item"
    entries = json.loads(project.tuneloop("models", "audit", NAME, "--json"))["entries"]
    assert entries[-1]["because"] == "looks right"
    assert "waits for a person" not in project.tuneloop("review", "approve", NAME, "--because", "again", check=False)


def test_an_annotators_answer_is_collected_seconds_later(project: Project, tmp_path: Path) -> None:
    assert answer(project, tmp_path, 1) == 1
    seconds = becomes(lambda: responses(project) == 1)
    print(f"collected {seconds:.1f} s after the answer")
    becomes(lambda: all(run.is_completed for run in collecting_runs(project)))
    assert [run.parameters for run in collecting_runs(project)] == [{"recipe": str(project.recipe)}]
    becomes(lambda: living_flow_runs(layout(project)) == set())


def test_a_message_that_argilla_did_not_sign_starts_nothing(project: Project) -> None:
    url = f"{project.state.url('webhooks')}/argilla"
    said = httpx.post(url, json={"type": "response.created"}, trust_env=False)
    assert said.status_code == httpx.codes.UNAUTHORIZED
    assert len(collecting_runs(project)) == 1


def test_with_the_listener_gone_the_sweep_collects_and_enough_answers_start_one_turn(
    project: Project, tmp_path: Path
) -> None:
    supervisor = Supervisor(layout(project))
    supervisor.stop_services(["webhooks"])
    assert answer(project, tmp_path, 5) == 5
    for _ in range(2):  # as the schedule starts it: with no recipe
        sweep = api(project).create_flow_run(COLLECT, {})
        assert api(project).wait(sweep.id, timeout_seconds=SECONDS).is_completed
    assert responses(project) == 6
    turns = api(project).flow_runs(deployment="retraining-cycle/retraining-cycle")
    assert [run.parameters["trigger"] for run in turns].count("feedback") == 1


def test_nothing_that_people_wrote_is_in_events_or_logs(project: Project) -> None:
    written = [row["correction"] for row in read_rows(project.workspace / "feedback" / NAME / "responses.jsonl")]
    texts = [text.encode() for text in written if text]
    assert texts
    files = [f for name in ("logs", "prefect") for f in (project.workspace / name).rglob("*") if f.is_file()]
    assert [(f.name, t) for f in files for t in texts if t in f.read_bytes()] == []
