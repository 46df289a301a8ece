import os
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.tuneloop.stack.building import layout_in
from tuneloop.stack.environment import marker
from tuneloop.stack.processes import (
    descends_from,
    is_running,
    listeners,
    living_flow_runs,
    marked_processes,
    orphans,
    stop_processes,
)


@pytest.fixture
def layout(tmp_path):
    return layout_in(tmp_path)


@pytest.fixture
def start():
    """Start a process with these variables; every one is gone after the test."""
    started = []

    def run(variables, command=("sleep", "60")):
        started.append(subprocess.Popen(command, env={**os.environ, **variables}, start_new_session=True))
        time.sleep(0.05)  # until exec, a child shows its parent's environment
        return started[-1].pid

    yield run
    for process in started:
        process.kill()
        process.wait()


def pids(found):
    return {process.pid for process in found}


def test_only_marked_processes_of_this_workspace_are_found(layout, start, tmp_path):
    ours = start({"TUNELOOP_SERVICE": marker("mlflow", layout)})
    start({"TUNELOOP_SERVICE": f"mlflow@{tmp_path}/other"})
    start({})
    assert pids(marked_processes(layout)) == {ours}


def test_services_can_be_told_apart(layout, start):
    worker = start({"TUNELOOP_SERVICE": marker("worker-cpu", layout)})
    start({"TUNELOOP_SERVICE": marker("mlflow", layout)})
    assert pids(marked_processes(layout, ["worker-cpu"])) == {worker}


def test_a_child_without_the_marker_belongs_to_its_parent(layout, start):
    parent = start({"TUNELOOP_SERVICE": marker("argilla", layout)}, ("sh", "-c", "env -i sleep 60; true"))
    assert pids(marked_processes(layout)) == {parent, *(c.pid for c in psutil.Process(parent).children())}
    assert len(marked_processes(layout)) == 2


def test_stopped_processes_are_gone(layout, start):
    pid = start({"TUNELOOP_SERVICE": marker("mlflow", layout)})
    assert stop_processes(marked_processes(layout)) == 1
    assert not is_running(pid)


def test_a_process_that_ignores_the_polite_signal_is_killed(layout, start):
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    pid = start({"TUNELOOP_SERVICE": marker("mlflow", layout)}, (sys.executable, "-S", "-c", code))
    time.sleep(0.3)
    stop_processes(marked_processes(layout), grace_seconds=0.2)
    assert not is_running(pid)


def test_flow_runs_with_a_process_are_alive_whoever_started_their_worker(layout, start, tmp_path):
    start({"TUNELOOP_WORKSPACE": str(layout.workspace), "PREFECT__FLOW_RUN_ID": "run-1"})
    start({"TUNELOOP_WORKSPACE": f"{tmp_path}/other", "PREFECT__FLOW_RUN_ID": "of-somebody-else"})
    start({"PREFECT__FLOW_RUN_ID": "of-somebody-else-too"})
    assert living_flow_runs(layout) == {"run-1"}


def test_what_does_not_descend_from_the_process_that_supervisor_knows_is_an_orphan(layout, start):
    main = start({"TUNELOOP_SERVICE": marker("mlflow", layout)}, ("sh", "-c", "sleep 60; true"))
    orphan = start({"TUNELOOP_SERVICE": marker("mlflow", layout)})
    start({"TUNELOOP_SERVICE": marker("prefect", layout)})
    assert pids(orphans(layout, {"mlflow": main})) == {orphan}
    assert len(orphans(layout, {"mlflow": None})) == 3


def test_who_listens_is_known_by_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listeners()[server.getsockname()[1]] == os.getpid()


def test_a_child_descends_from_its_parent_and_from_nobody_else(layout, start):
    parent = start({}, ("sh", "-c", "sleep 60; true"))
    (child,) = psutil.Process(parent).children()
    assert descends_from(child.pid, parent)
    assert descends_from(parent, parent)
    assert not descends_from(parent, child.pid)
    assert not descends_from(parent, None)
