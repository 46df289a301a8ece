"""Wherever chunks of rows are worked on, the same data version comes out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.support_rows import write_rows
from expectations.validating import SuiteValidator
from tests.tuneloop.workflows.prepare_data.counting import WordCounter
from tuneloop.ports import Executor
from tuneloop.recipes import Checks, Data, Model, Recipe, Source
from tuneloop.results import DataReport
from tuneloop.workflows.prepare_data import prepare_data

pytestmark = pytest.mark.integration

ROWS = 5000
"""More than two chunks."""


def prepare(folder: Path, executor: Executor | None) -> DataReport:
    write_rows(folder / "rows.jsonl", ROWS)
    data = Data(
        sources=(Source(name="rows", path="rows.jsonl"),),
        cleaning=("unicode", "html", "mail"),
        checks=Checks(person_names=False, pii_policy="pseudonymise", max_quarantined=0.9),
    )
    (folder / "ws").mkdir()
    (folder / "ws" / "pseudonyms.key").write_text("ab" * 32)
    recipe = Recipe(name="rows", data=data, model=Model(base="none", max_tokens=400))
    return prepare_data(
        recipe,
        validator=SuiteValidator(),
        root=folder,
        workspace=folder / "ws",
        counter=WordCounter(),
        executor=executor,
    )


def folder_at(place: Path, name: str) -> Path:
    (place / name).mkdir()
    return place / name


def content(report: DataReport) -> list[object]:
    files = [(Path(report.folder) / f"{s}.parquet").read_bytes() for s in ("train", "validation", "test")]
    quarantine = (Path(report.folder) / "quarantine.jsonl").read_text().splitlines()
    return [report.version, report.reasons, files, [json.loads(line)["record_id"] for line in quarantine]]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> DataReport:
    report = prepare(tmp_path_factory.mktemp("here"), None)
    assert report.rows_quarantined > 100
    assert report.rows_train > 3000
    return report


def test_two_processes_give_what_one_gives(here: DataReport, tmp_path: Path) -> None:
    from tuneloop.adapters.process_executor import ProcessExecutor

    assert content(prepare(folder_at(tmp_path, "two"), ProcessExecutor(2))) == content(here)


@pytest.mark.slow
def test_two_workers_of_ray_give_what_one_process_gives(here: DataReport, tmp_path: Path) -> None:
    import ray

    from tuneloop.adapters.ray_executor import RayExecutor

    try:
        report = prepare(folder_at(tmp_path, "ray"), RayExecutor(workers=2))
    finally:
        ray.shutdown()
    assert content(report) == content(here)
