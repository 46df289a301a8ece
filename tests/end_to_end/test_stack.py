"""The real servers: start, look, kill the process runner, heal, stop."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tuneloop.settings import Settings
from tuneloop.stack.layout import Layout
from tuneloop.stack.processes import marked_processes
from tuneloop.stack.services import SERVICE_NAMES, argilla_program

pytestmark = pytest.mark.end_to_end

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def layout(tmp_path_factory):
    """A workspace of its own; whatever happens, nothing of it runs after the tests."""
    workspace = tmp_path_factory.mktemp("stack") / "ws"
    layout = Layout(ROOT, workspace)
    yield layout
    tuneloop(layout, "down")


def tuneloop(layout, *arguments):
    argilla = argilla_program(ROOT, Settings().argilla_bin)
    variables = {
        **os.environ,
        "TUNELOOP_ROOT": str(ROOT),
        "TUNELOOP_WORKSPACE": str(layout.workspace),
        "TUNELOOP_ARGILLA_BIN": str(argilla),
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    return subprocess.run(
        [sys.executable, "-m", "tuneloop.cli", *arguments],
        env=variables,
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=600,
        check=False,
    )


def status(layout):
    return {s["name"]: s for s in json.loads(tuneloop(layout, "status", "--json").stdout)}


def test_the_stack_comes_up_heals_and_goes_down_without_a_trace(layout):
    started = tuneloop(layout, "up")
    assert started.returncode == 0, started.stdout + started.stderr
    first = status(layout)
    assert {name: s["health"] for name, s in first.items()} == dict.fromkeys(SERVICE_NAMES, "healthy")
    assert stat.S_IMODE(layout.state_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(layout.supervisor_config.stat().st_mode) == 0o600
    assert_only_this_machine_is_served(layout)
    assert_prefect_wants_a_login(first["prefect"]["url"])

    again = tuneloop(layout, "up")
    assert again.returncode == 0
    assert {n: s["pid"] for n, s in status(layout).items()} == {n: s["pid"] for n, s in first.items()}

    os.kill(int((layout.run / "supervisord.pid").read_text()), signal.SIGKILL)
    orphaned = tuneloop(layout, "status")
    assert orphaned.returncode == 1
    assert "supervisor is gone" in orphaned.stdout
    healed = tuneloop(layout, "up")
    assert healed.returncode == 0, healed.stdout + healed.stderr
    second = status(layout)
    assert {s["health"] for s in second.values()} == {"healthy"}
    assert {n: s["url"] for n, s in second.items()} == {n: s["url"] for n, s in first.items()}
    assert not {s["pid"] for s in first.values()} & set(psutil.pids())

    assert tuneloop(layout, "down").returncode == 0
    assert marked_processes(layout) == []
    assert not {s["pid"] for s in second.values()} & set(psutil.pids())


def assert_only_this_machine_is_served(layout):
    listening = {c.laddr.ip for p in marked_processes(layout) for c in p.net_connections("tcp") if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}


def assert_prefect_wants_a_login(url):
    import httpx

    assert httpx.get(f"{url}/api/admin/version", trust_env=False).status_code == httpx.codes.UNAUTHORIZED
