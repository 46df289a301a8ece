"""What wakes the loop: the sweep over all recipes, late runs after an outage, and enough new answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.states import Scheduled

from tests.flows.conftest import tiny_recipe
from tests.tuneloop.adapters.file_backend.filling import FORM, fill, item
from tests.tuneloop.reports.examples import make_round
from tuneloop.adapters.file_backend import FileBackend
from tuneloop.pseudonyms import pseudonym_key
from tuneloop.registry.known_rounds import note_recipe
from tuneloop.registry.rounds import save_round
from tuneloop.results import ReviewReport

pytestmark = pytest.mark.flow


@pytest.fixture(autouse=True)
def workspace(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody else's recipes are swept."""
    monkeypatch.setenv("TUNELOOP_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def collecting(place: Path) -> UUID:
    return deployed("human_review", "human-review")


def deployed(flow_file: str, name: str) -> UUID:
    import importlib

    flow = getattr(importlib.import_module(f"flows.{flow_file}"), flow_file)
    with get_client(sync_client=True) as client:
        return client.create_deployment(client.create_flow(flow), name=name)


def a_recipe(place: Path, workspace: Path, name: str, **review: Any) -> FileBackend:
    """One that was turned once and has a set of two before people."""
    content = tiny_recipe(place) | {"name": name, "review": {"backend": "files", "min_submitted": 1} | review}
    (place / f"{name}.yaml").write_text(yaml.safe_dump(content))
    note_recipe(workspace, name, f"{name}.yaml")
    feedback = make_round().feedback
    assert feedback is not None
    none_yet = feedback.model_copy(update={"responses": 0})
    report = ReviewReport(review_set=f"{name}-round-1", url="u", records=2)
    verdict = make_round().verdict.model_copy(update={"decision": "needs_review"})
    save_round(workspace, make_round(1, recipe=name, feedback=none_yet, reviews=[report], verdict=verdict))
    backend = FileBackend(workspace / "review-files" / name, pseudonym_key=pseudonym_key(workspace))
    backend.publish(f"{name}-round-1", [item(1), item(2)], replace(FORM, min_submitted=1))
    return backend


def answer(workspace: Path, name: str, backend: FileBackend, *places: int) -> None:
    sheet = workspace / "review-files" / name / f"{name}-round-1.csv"
    backend.import_file(fill(sheet, {n: {"rating": 4} for n in places}), reviewer="Anna")


def turns(cycle: str) -> list[dict[str, Any]]:
    with get_client(sync_client=True) as client:
        return [run.parameters for run in client.read_flow_runs(limit=200) if run.parameters.get("recipe") == cycle]


def test_the_sweep_collects_for_every_recipe_whose_file_is_there(place: Path, workspace: Path) -> None:
    from flows.human_review import human_review

    for name in ("sweep-a", "sweep-b"):
        answer(workspace, name, a_recipe(place, workspace, name), 1)
    note_recipe(workspace, "sweep-gone", "gone.yaml")
    assert [report.responses for report in human_review()] == [1, 1]


def test_one_recipes_trouble_does_not_keep_the_others_answers(place: Path, workspace: Path) -> None:
    from flows.human_review import human_review

    answer(workspace, "trouble-b", a_recipe(place, workspace, "trouble-b"), 1)
    (place / "trouble-a.yaml").write_text("name: no recipe")
    note_recipe(workspace, "trouble-a", "trouble-a.yaml")
    with pytest.raises(Exception, match=r"trouble-a\.yaml were not collected"):
        human_review()
    assert (workspace / "feedback/trouble-b/responses.jsonl").is_file()


def test_of_the_runs_that_an_outage_made_late_the_youngest_works_for_all(workspace: Path, collecting: UUID) -> None:
    from flows.human_review import human_review

    def late(hours: float) -> Any:
        due = Scheduled(scheduled_time=datetime.now(UTC) - timedelta(hours=hours))
        with get_client(sync_client=True) as client:
            return client.create_flow_run_from_deployment(collecting, state=due)

    def messages(run: Any) -> str:
        run_flow(human_review, flow_run=run, parameters={}, return_type="state")
        return "skipped" if "skipped" in logs_of(run.id) else "worked"

    runs = [late(5), late(4), late(3)]
    assert [messages(run) for run in runs] == ["skipped", "skipped", "worked"]


def logs_of(run: UUID) -> str:
    import time

    from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:  # the last lines come a moment later
        with get_client(sync_client=True) as client:
            lines = client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run])))
        text = "\n".join(line.message for line in lines)
        if "Finished in state" in text:
            return text
        time.sleep(0.5)
    pytest.fail("no logs came")


def test_without_a_deployment_of_the_cycle_collecting_still_works(place: Path, workspace: Path) -> None:
    from flows.human_review import human_review

    answer(workspace, "alone", a_recipe(place, workspace, "alone"), 1, 2)
    assert [report.responses for report in human_review("alone.yaml")] == [2]


def test_enough_answers_start_one_turn_however_often_they_are_swept(place: Path, workspace: Path) -> None:
    from flows.human_review import human_review

    deployed("retraining_cycle", "retraining-cycle")
    backend = a_recipe(place, workspace, "enough", retrain_after_answers=2)
    answer(workspace, "enough", backend, 1)
    human_review("enough.yaml")
    assert [t for t in turns("enough.yaml") if "trigger" in t] == []
    answer(workspace, "enough", backend, 1, 2)
    for _ in range(3):
        human_review("enough.yaml")
    assert [t["trigger"] for t in turns("enough.yaml") if "trigger" in t] == ["feedback"]


def test_a_finished_set_of_a_round_that_waits_starts_its_turn(place: Path, workspace: Path) -> None:
    from flows.human_review import human_review

    deployed("retraining_cycle", "retraining-cycle")
    answer(workspace, "done", a_recipe(place, workspace, "done"), 1, 2)
    human_review("done.yaml")
    assert [t["trigger"] for t in turns("done.yaml") if "trigger" in t] == ["feedback"]
