"""`tuneloop models promote` in a process of its own on a real MLflow store, killed once its intent is on the disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.tuneloop.cli.test_models_command import judge
from tuneloop.adapters.mlflow_registry import MlflowRegistry
from tuneloop.registry.audit_trail import AuditTrail
from tuneloop.registry.promotions import anchors, promote
from tuneloop.registry.verdict_signature import signing_key
from tuneloop.training.base_models import folder_hash

pytestmark = [pytest.mark.integration, pytest.mark.slow]

COMMAND = (
    "import typer; from tuneloop.cli.models_command import register; app = typer.Typer(); register(app); "
    "app.callback()(lambda: None); app(['models', 'promote', '{version}', '--because', 'better'])"
)
BY_ADA = {"recipe": "desk", "because": "better", "person": "ada", "hash_of": folder_hash}


def promoting(home: Path, version: str) -> subprocess.Popen[bytes]:
    variables = {
        "TUNELOOP_ROOT": str(home),
        "TUNELOOP_WORKSPACE": "workspace",
        "TUNELOOP_MLFLOW_URL": f"sqlite:///{home}/mlflow.db",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", COMMAND.format(version=version)]
    return subprocess.Popen(command, cwd=home, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)


def wait_for_lines(file: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if file.is_file() and file.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.001)


def test_a_killed_promotion_is_whole_after_the_next_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # MLflow's store in a file keeps artefacts beside where it is opened
    registry, workspace = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db"), tmp_path / "workspace"
    first, second = (judge(registry, workspace, number, "promote", 0.5) for number in (1, 2))
    promote(registry, workspace, round_=first, version="1", **BY_ADA)
    trail = AuditTrail(workspace, "desk", signing_key(workspace))
    process = promoting(tmp_path, "2")
    wait_for_lines(trail.file, 3, process)
    process.kill()
    assert process.wait(20) == -signal.SIGKILL
    assert trail.entries()[-1].step == "intent"
    promote(registry, workspace, round_=second, version="2", **BY_ADA)
    versions = registry.versions("desk")
    assert {alias: v.version for v in versions for alias in v.aliases} == {"champion": "2", "previous": "1"}
    assert trail.faults(trail.entries(), anchors=anchors(versions)) == []
    assert trail.entries()[-1].step == "done"
