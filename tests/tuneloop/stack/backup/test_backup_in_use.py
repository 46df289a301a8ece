"""Backups of a workspace that others write into, by processes of their own."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from tests.tuneloop.stack.backup.workspaces import a_workspace, ignore
from tuneloop.stack.backup.restoring import restore
from tuneloop.stack.backup.writing import back_up
from tuneloop.stack.layout import Layout

pytestmark = pytest.mark.integration

HAMMER = """
import json, os, sqlite3, sys, time
from pathlib import Path
workspace, mode = Path(sys.argv[1]), sys.argv[2]
base = sqlite3.connect(workspace / "argilla/argilla.db", timeout=30, isolation_level=None)
base.execute(f"PRAGMA journal_mode = {mode}")
base.execute("CREATE TABLE IF NOT EXISTS pairs (a INTEGER, b INTEGER)")
ledger = os.open(workspace / "feedback/desk/ledger.jsonl", os.O_WRONLY | os.O_APPEND)
n = 0
while True:
    n += 1
    base.execute("BEGIN IMMEDIATE")
    base.execute("INSERT INTO pairs VALUES (?, NULL)", (n,))
    base.execute("UPDATE pairs SET b = a WHERE b IS NULL")
    base.execute("COMMIT")
    line = json.dumps({"n": n, "text": "x" * 700}).encode() + b"\\n"
    os.write(ledger, line[:300])
    time.sleep(0.002)
    os.write(ledger, line[300:])
"""
ROUNDS = """
import json, os, sqlite3, sys, time
from pathlib import Path
workspace = Path(sys.argv[1])
base = sqlite3.connect(workspace / "mlflow/mlflow.db", timeout=30, isolation_level=None)
def save(n, **content):
    file = workspace / f"rounds/desk/{n:04}.json"
    file.with_suffix(".new").write_text(json.dumps(content))
    os.replace(file.with_suffix(".new"), file)
base.execute("CREATE TABLE versions (n INTEGER)")
base.execute("CREATE TABLE much (blob BLOB)")
for _ in range(30):
    base.execute("INSERT INTO much VALUES (?)", (os.urandom(1_000_000),))  # so that copying takes a while
n = 1
while True:
    n += 1
    weights = workspace / f"models/desk/{n}/model"
    weights.parent.mkdir()
    weights.write_text(str(n))
    save(n, complete=False)
    time.sleep(0.03)
    base.execute("INSERT INTO versions VALUES (?)", (n,))
    save(n, complete=True)
    time.sleep(2.0 if n % 20 == 0 else 0.0)
"""


@contextmanager
def writing(program, *arguments):
    process = subprocess.Popen([sys.executable, "-c", program, *map(str, arguments)])
    try:
        time.sleep(1.0)
        yield
        assert process.poll() is None, "it has to write until the end"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_database_is_of_one_moment_and_ledgers_end_with_a_line(tmp_path, mode):
    layout = a_workspace(tmp_path / "one")
    with writing(HAMMER, layout.workspace, mode):
        for number in range(5):
            back_up(layout.workspace, tmp_path / f"{number}.tar", ignore)
    for number in range(5):
        copy = Layout(tmp_path, tmp_path / f"copy-{number}")
        restore(tmp_path / f"{number}.tar", copy, ignore, replace=False)
        with closing(sqlite3.connect(copy.workspace / "argilla/argilla.db")) as base:
            assert base.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            count, last, unlike = base.execute("SELECT count(*), max(a), total(a IS NOT b) FROM pairs").fetchone()
        assert (count, unlike) == (last, 0)
        lines = (copy.workspace / "feedback/desk/ledger.jsonl").read_text().split("\n")
        assert lines.pop() == ""
        noted = [found["n"] for line in lines if "n" in (found := json.loads(line))]
        assert noted == list(range(1, len(noted) + 1))
        assert len(noted) <= count, "a ledger that knows more than the server would count answers as taken back"


def test_rounds_registry_and_models_of_a_copy_fit_together(tmp_path):
    layout = a_workspace(tmp_path / "one")
    with writing(ROUNDS, layout.workspace):
        for number in range(5):
            back_up(layout.workspace, tmp_path / f"{number}.tar", ignore)
    for number in range(5):
        copy = Layout(tmp_path, tmp_path / f"copy-{number}")
        restore(tmp_path / f"{number}.tar", copy, ignore, replace=False)
        rounds = {int(f.stem): json.loads(f.read_text()) for f in (copy.workspace / "rounds/desk").glob("*.json")}
        del rounds[1]
        with closing(sqlite3.connect(copy.workspace / "mlflow/mlflow.db")) as base:
            versions = {n for (n,) in base.execute("SELECT n FROM versions")}
        assert {n for n, round_ in rounds.items() if round_["complete"]} <= versions <= rounds.keys()
        assert all((copy.workspace / f"models/desk/{n}/model").read_text() == str(n) for n in rounds)
