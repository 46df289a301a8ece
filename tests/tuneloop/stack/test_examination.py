import os
from pathlib import Path

import pytest

from tests.tuneloop.stack.building import layout_in
from tests.tuneloop.stack.fakes import FakePools, FakeRun, away
from tuneloop.stack.examination import Examination
from tuneloop.stack.services import Service
from tuneloop.stack.starts import note_start
from tuneloop.stack.supervisor import ProcessState

SERVER = Service("mlflow", ("x",), Path(), {}, url="http://127.0.0.1:1", probe="http://127.0.0.1:1/health")
WORKER = Service("worker-cpu", ("x",), Path(), {}, pool="cpu")
PORT, OURS, STRANGER = 1, os.getpid(), 1


def process(state="RUNNING", name="mlflow"):
    return ProcessState(name, state, OURS, 1_700_000_000.0, "")


@pytest.fixture
def layout(tmp_path):
    return layout_in(tmp_path)


def looking(layout, *, pools=None, answering=True, listener=OURS):
    return Examination(layout, pools or FakePools(), lambda _: answering, lambda: {PORT: listener} if listener else {})


@pytest.mark.parametrize(
    ("state", "answering", "health"),
    [
        ("RUNNING", True, "healthy"),
        ("RUNNING", False, "starting"),
        ("STARTING", True, "starting"),
        ("BACKOFF", True, "starting"),
        ("STOPPED", True, "stopped"),
        ("EXITED", True, "stopped"),
        ("FATAL", True, "failed"),
    ],
)
def test_health_needs_both_a_running_process_and_an_answer(layout, state, answering, health):
    assert looking(layout, answering=answering).of(SERVER, process(state)).health == health


def test_an_answer_of_another_process_is_not_health_and_names_it(layout):
    found = looking(layout, listener=STRANGER).of(SERVER, process())
    assert (found.health, found.answered_by) == ("unhealthy", STRANGER)
    assert found.problem == f"port {PORT} is held by another process ({STRANGER})"


def test_a_service_that_cannot_start_because_its_port_is_taken_says_so(layout):
    found = looking(layout, listener=STRANGER).of(SERVER, process("FATAL"))
    assert (found.health, found.problem) == ("failed", f"port {PORT} is held by another process ({STRANGER})")


def test_a_service_that_supervisor_does_not_know_is_stopped(layout):
    found = looking(layout).of(SERVER, None)
    assert (found.health, found.pid, found.since) == ("stopped", None, None)


def test_a_worker_is_healthy_once_it_has_reported(layout):
    pools = FakePools()
    assert looking(layout, pools=pools).of(WORKER, process()).health == "starting"
    pools.reporting.add("worker-cpu")
    assert looking(layout, pools=pools).of(WORKER, process()).health == "healthy"


def test_a_worker_whose_server_is_away_is_not_healthy(layout):
    found = looking(layout, pools=FakePools(error=away())).of(WORKER, process())
    assert found.health == "starting"
    assert "Prefect server does not answer" in found.problem


def test_a_slot_that_a_dead_run_holds_is_shown_with_the_runs_name_and_since_when(layout):
    pools = FakePools(reporting={"worker-cpu"}, runs={"cpu": [FakeRun("r1")]})
    found = looking(layout, pools=pools).of(WORKER, process())
    assert found.health == "unhealthy"
    assert "calm-owl (RUNNING, since 2026-01-01T00:00:00Z)" in found.problem
    assert "will be ended" in found.problem
    assert found.to_json()["dead_runs"] == (
        {"id": "r1", "name": "calm-owl", "state": "RUNNING", "since": "2026-01-01T00:00:00Z"},
    )


def test_a_keeper_is_healthy_while_it_touches_its_file(layout):
    keeper = Service("keeper", ("x",), Path(), {}, heartbeat=layout.heartbeat)
    assert looking(layout).of(keeper, process()).health == "starting"
    layout.heartbeat.touch()
    assert looking(layout).of(keeper, process()).health == "healthy"
    os.utime(layout.heartbeat, (1_700_000_001, 1_700_000_001))
    assert looking(layout).of(keeper, process()).health == "starting"


def test_the_status_is_json_and_counts_restarts(layout):
    note_start(layout, "mlflow")
    note_start(layout, "mlflow")
    found = looking(layout).of(SERVER, process()).to_json()
    assert found.pop("restarted") is not None
    assert found == {
        "name": "mlflow",
        "url": "http://127.0.0.1:1",
        "pid": OURS,
        "health": "healthy",
        "since": "2023-11-14T22:13:20+00:00",
        "answered_by": OURS,
        "restarts": 1,
        "problem": None,
        "dead_runs": (),
    }


def test_all_services_are_looked_at(layout):
    found = looking(layout, pools=FakePools(reporting={"worker-cpu"})).of_all(
        [SERVER, WORKER], {"worker-cpu": process(name="worker-cpu")}
    )
    assert [s.health for s in found] == ["stopped", "healthy"]
