"""`kill -9` while a data version is made: nothing half-made is ever seen, and doing it again heals."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.support_rows import write_rows
from expectations.validating import SuiteValidator
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.data.snapshots import list_manifests
from tuneloop.recipes import Checks, Data, Model, Recipe, Source
from tuneloop.reports.data.page import find_data_page
from tuneloop.results import DataReport
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = [pytest.mark.integration, pytest.mark.slow]

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
from tests.tuneloop.workflows.prepare_data.test_prepare_data_killed import prepare
prepare(Path(sys.argv[1]))
"""


def prepare(folder: Path) -> DataReport:
    return prepare_data(RECIPE, validator=SuiteValidator(), root=folder, workspace=folder / "ws", counter=WordCounter())


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


def test_a_kill_between_a_version_and_its_page_is_healed_by_the_next_run_or_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "rows.jsonl", 200)
    with monkeypatch.context() as here:
        here.setattr("tuneloop.workflows.prepare_data.prepare.write_data_page", killed)
        with pytest.raises(Killed):
            prepare(tmp_path)
    (manifest,) = list_manifests(tmp_path / "ws")
    page = tmp_path / "ws" / "data" / manifest.version / "report.html"
    assert not page.exists()

    assert find_data_page(tmp_path / "ws", manifest) == page
    asked_for = page.read_text()
    page.unlink()
    assert prepare(tmp_path).page == str(page)

    assert manifest.version in asked_for
    assert page.read_text().count("<table") == asked_for.count("<table")
    assert page.stat().st_mode & 0o777 == 0o600


def test_a_kill_before_the_new_page_never_leaves_that_of_an_older_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path / "rows.jsonl", 200)
    page = Path(prepare(tmp_path).page)
    assert "broken json" not in page.read_text()
    with (tmp_path / "rows.jsonl").open("a") as rows:
        rows.write("{one more line\n")
    with monkeypatch.context() as here:
        here.setattr("tuneloop.workflows.prepare_data.prepare.write_data_page", killed)
        with pytest.raises(Killed):
            prepare(tmp_path)

    assert not page.exists()
    assert "broken json" in Path(prepare(tmp_path).page).read_text()


class Killed(BaseException):
    pass


def killed(*_: object) -> Path:
    raise Killed
