from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tuneloop.reports.examples import make_round
from tuneloop.errors import TrainingError
from tuneloop.results import TrainingReport
from tuneloop.training.checkpoints import REPORT, finish, finished_report, start_or_go_on

pytestmark = pytest.mark.integration


@pytest.fixture
def finished(tmp_path: Path) -> TrainingReport:
    """A run that has ended in `tmp_path`."""
    start_or_go_on(tmp_path, "arguments")
    folders = {name: str(tmp_path / name) for name in ("adapter", "model")}
    for folder in folders.values():
        Path(folder).mkdir()
    report = make_round().training.model_copy(update=folders)
    finish(tmp_path, report)
    return report


def test_a_run_that_has_ended_is_not_made_again(tmp_path: Path, finished: TrainingReport) -> None:
    assert finished_report(tmp_path, "arguments") == finished
    assert finished_report(tmp_path, "others") is None


@pytest.mark.parametrize("name", ["adapter", "model"])
@pytest.mark.usefixtures("finished")
def test_a_run_whose_model_was_deleted_is_made_again(tmp_path: Path, name: str) -> None:
    shutil.rmtree(tmp_path / name)
    assert finished_report(tmp_path, "arguments") is None


@pytest.mark.usefixtures("finished")
def test_a_damaged_report_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / REPORT).write_text('{"adapter": ')
    with pytest.raises(TrainingError, match=rf"{tmp_path / REPORT}, is damaged.*delete it"):
        finished_report(tmp_path, "arguments")
