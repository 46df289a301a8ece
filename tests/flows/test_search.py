"""A search and a learning curve as Prefect runs, on the tiny Llama."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from tuneloop.results import DataReport
from tuneloop.results.search import LearningCurve, SearchReport, latest_curve, latest_search

pytestmark = pytest.mark.flow


def names_of_tasks() -> list[str]:
    with get_client(sync_client=True) as client:
        return [run.name for run in client.read_task_runs(limit=200)]


@contextmanager
def without_test_rows(data: DataReport) -> Iterator[None]:
    """What is chosen by the test rows could not be measured on them any more, so they may not even be read."""
    rows, aside = Path(data.folder) / "test.parquet", Path(data.folder) / "aside"
    rows.rename(aside)
    try:
        yield
    finally:
        aside.rename(rows)


def test_a_search_is_one_task_per_trial_and_goes_on_when_more_are_wanted(place: Path) -> None:
    from flows.data_validation import data_validation
    from flows.hyperparameter_search import hyperparameter_search

    with without_test_rows(data_validation("recipe.yaml")):
        first = hyperparameter_search("recipe.yaml", trials=2)
        more = hyperparameter_search("recipe.yaml", trials=3)
    assert isinstance(first, SearchReport)
    assert isinstance(more, SearchReport)
    assert more.is_complete
    assert more.trials[:2] == first.trials
    assert more.trials[0].values["lora_rank"] == 4
    assert sum(name.startswith("trial ") for name in names_of_tasks()) == 3
    assert "trial 0: learning_rate 0.001, lora_rank 4, target_modules all-linear" in names_of_tasks()
    found = latest_search(place / "workspace", "tiny")
    assert found is not None
    assert found[1] == more
    assert (more.comparison is None) == (more.finished[0].number == 0)


def test_a_learning_curve_ends_with_all_rows(place: Path) -> None:
    from flows.hyperparameter_search import hyperparameter_search

    curve = hyperparameter_search("recipe.yaml", what="learning-curve")
    assert isinstance(curve, LearningCurve)
    found = latest_curve(place / "workspace", "tiny")
    assert found is not None
    assert found[1] == curve
    assert f"train on {curve.points[-1].rows} rows" in names_of_tasks()
