import os
import subprocess
import sys
import time

import psutil
import pytest

from tests.tuneloop.stack.building import layout_in
from tuneloop.stack.environment import marker
from tuneloop.stack.starts import note_start, starts_of
from tuneloop.stack.supervisor_config import LAUNCH


@pytest.fixture
def layout(tmp_path):
    return layout_in(tmp_path)


def launched(layout, *command, service="mlflow"):
    variables = {**os.environ, "TUNELOOP_SERVICE": marker(service, layout)}
    return subprocess.run([*LAUNCH, *command], env=variables, check=False, capture_output=True, text=True, timeout=60)


def test_the_launcher_becomes_the_service_so_that_supervisor_watches_the_right_process(layout):
    variables = {**os.environ, "TUNELOOP_SERVICE": marker("mlflow", layout)}
    with subprocess.Popen([*LAUNCH, "sleep", "60"], env=variables) as process:
        deadline = time.monotonic() + 30
        while psutil.Process(process.pid).cmdline() != ["sleep", "60"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.kill()


def test_what_a_killed_predecessor_left_is_ended_and_other_services_are_not_touched(layout):
    def left(service):
        variables = {**os.environ, "TUNELOOP_SERVICE": marker(service, layout)}
        return subprocess.Popen(["sleep", "60"], env=variables, start_new_session=True)

    mine, other = left("mlflow"), left("prefect")
    time.sleep(0.1)  # until exec, a child shows its parent's environment
    try:
        done = launched(layout, sys.executable, "-c", "print('up')")
        assert done.stdout.splitlines() == [
            "tuneloop: ended 1 processes that an earlier mlflow had left behind",
            "up",
        ]
        assert mine.poll() is not None
        assert other.poll() is None
    finally:
        for process in (mine, other):
            process.kill()
            process.wait()


def test_every_start_is_counted(layout):
    note_start(layout, "mlflow")
    launched(layout, "true")
    assert starts_of(layout, "mlflow").restarts == 1


def test_a_start_that_cannot_be_counted_is_a_start_all_the_same(layout):
    (layout.run / "starts").write_text("a file where the folder should be")
    done = launched(layout, "echo", "up")
    assert done.stdout.splitlines()[-1] == "up"
    assert "not counted" in done.stdout
