"""`kill -9` while a data version is made: nothing half-made is ever seen, and doing it again heals."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.support_rows import write_rows
from expectations.data_gate import prepare_data
from tests.expectations.counting import WordCounter
from tuneloop.data.snapshots import list_manifests
from tuneloop.recipes import Checks, Data, Model, Recipe, Source
from tuneloop.results import DataReport

pytestmark = pytest.mark.integration

ROWS = 6000
RECIPE = Recipe(
    name="rows",
    data=Data(
        sources=(Source(name="rows", path="rows.jsonl"),), checks=Checks(person_names=False, max_quarantined=0.9)
    ),
    model=Model(base="none", max_tokens=400),
)
PROGRAM = """
import sys
from pathlib import Path
from tests.expectations.test_data_gate_killed import prepare
prepare(Path(sys.argv[1]))
"""


def prepare(folder: Path) -> DataReport:
    return prepare_data(RECIPE, root=folder, workspace=folder / "ws", counter=WordCounter())


def kill_when(folder: Path, pattern: str) -> None:
    running = subprocess.Popen([sys.executable, "-c", PROGRAM, str(folder)])
    while running.poll() is None and not list((folder / "ws").glob(pattern)):
        time.sleep(0.005)
    assert running.poll() is None, "it was done before it could be killed"
    running.kill()
    running.wait()


@pytest.mark.parametrize("moment", ["data/.staging-*/rows.arrow", "data/.version-*/train.parquet"])
def test_a_killed_run_leaves_no_version_and_the_next_one_is_whole(tmp_path: Path, moment: str) -> None:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    kill_when(tmp_path, moment)
    assert list_manifests(tmp_path / "ws") == []

    report = prepare(tmp_path)

    left = report.rows_train + report.rows_validation + report.rows_test + report.rows_quarantined
    assert report.rows_in == left == ROWS
    assert [m.version for m in list_manifests(tmp_path / "ws")] == [report.version]
    assert prepare(tmp_path).version == report.version
