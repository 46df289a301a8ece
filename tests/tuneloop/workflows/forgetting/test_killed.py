"""`kill -9` in the middle of forgetting: the same call again finishes, and manifests agree with their rows."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tuneloop.workflows.forgetting.forgetter import forget, look
from tests.tuneloop.workflows.forgetting.planted import MARKERS
from tests.tuneloop.workflows.forgetting.walker import found_in
from tuneloop.data.snapshots import list_manifests
from tuneloop.reports.data.tables import problems
from tuneloop.workflows.forgetting.models import open_versions

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROJECT = Path(__file__).parents[4]
KILLED_AT_A_CHANGE = """
import os, signal, sys
from pathlib import Path
from tests.tuneloop.workflows.forgetting.forgetter import look, names
from tuneloop.workflows.forgetting import carry_out

root, request, nth = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
found = look(root, request)
seen = 0

def kill_at(event, arguments):
    global seen
    if event in {"os.rename", "os.remove", "os.utime", "sqlite3.connect", "fcntl.flock"}:
        seen += 1
        if seen == nth:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(kill_at)
carry_out(found, names(root / "ws"), by="tester", because="")
print(seen)
"""


def killed(root: Path, request: str, nth: int) -> bool:
    """Whether the process was killed before it had ended."""
    command = [sys.executable, "-c", KILLED_AT_A_CHANGE, str(root), request, str(nth)]
    return subprocess.run(command, check=False, capture_output=True, cwd=PROJECT).returncode == -signal.SIGKILL


@pytest.mark.parametrize("request_", [MARKERS["answer"], "p1"])
@pytest.mark.parametrize("nth", [1, 19, 43, 75])
def test_a_killed_call_is_finished_by_the_next(root: Path, request_: str, nth: int) -> None:
    assert killed(root, request_, nth)

    assert look(root, request_).unfinished or nth == 1
    forget(root, request_)

    words = MARKERS["prompt"] if request_ == "p1" else request_
    left = [where for where in found_in(root / "ws", words) if request_ != "p1" or where.startswith("data/")]
    assert left == []
    assert open_versions(root / "ws") == []
    assert [p for m in list_manifests(root / "ws") for p in problems(m)] == []
    assert look(root, request_).is_nothing
