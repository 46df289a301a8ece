import os
import stat
import subprocess
import sys

import pytest

from tests.tuneloop.stack.building import layout_in, state
from tests.tuneloop.stack.test_lifecycle import stack
from tuneloop.stack.environment import MARKER, marker
from tuneloop.stack.layout import Layout
from tuneloop.stack.services import SERVICE_NAMES, services
from tuneloop.stack.supervisor_config import render_config
from tuneloop.stack.temporary import renew_temporary, sweep_temporary


def left_by(layout, name):
    """What a killed worker of Prefect leaves: the environment of a flow run."""
    file = layout.temporary(name) / "prefect-workspace-attempt-x" / "workspace.json"
    file.parent.mkdir(parents=True)
    file.write_text("PREFECT_API_AUTH_STRING")
    return file


@pytest.fixture
def alive(tmp_path):
    """A process that bears the mark of the training worker."""
    layout = layout_in(tmp_path)
    variables = {**os.environ, MARKER: marker("worker-training", layout)}
    process = subprocess.Popen([sys.executable, "-c", "input()"], env=variables, stdin=subprocess.PIPE)
    yield process
    process.communicate(b"\n")


def test_every_service_puts_its_temporary_files_into_the_workspace(tmp_path):
    layout = layout_in(tmp_path)
    config = render_config(layout, services(layout, state(), tmp_path / "argilla"))
    for name in SERVICE_NAMES:
        assert f'TMPDIR="{layout.temporary(name)}"' in config


def test_a_start_empties_what_a_killed_process_left(tmp_path):
    layout = layout_in(tmp_path)
    file = left_by(layout, "worker-cpu")
    renew_temporary(layout, SERVICE_NAMES)
    assert not file.exists()
    assert stat.S_IMODE(layout.temporary("worker-cpu").stat().st_mode) == 0o700


def test_what_a_living_process_uses_stays(tmp_path, alive):
    layout = Layout(tmp_path, tmp_path / ".tuneloop")
    used, left = left_by(layout, "worker-training"), left_by(layout, "worker-cpu")
    renew_temporary(layout, SERVICE_NAMES)
    assert (used.exists(), left.exists()) == (True, False)
    sweep_temporary(layout, SERVICE_NAMES)
    assert (used.exists(), layout.temporary("worker-cpu").exists()) == (True, False)


def test_nothing_is_left_when_the_stack_is_stopped(tmp_path):
    for workspace in ("ws", "d" * 90):
        layout = Layout(tmp_path, tmp_path / workspace)
        layout.create()
        file = left_by(layout, "worker-cpu")
        stack(layout).down()
        assert not file.exists()
        assert not layout.short.exists()
