"""Look for better values of a recipe's training section, or find out whether more rows would help."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from prefect import flow

from tasks import wiring
from tasks.data import data_version
from tasks.runs import only_attempt
from tasks.search import conclude, conclude_curve, run_trial, train_on
from tasks.training import base_model
from tuneloop.recipes import Recipe
from tuneloop.results import DataReport
from tuneloop.results.search import LearningCurve, SearchReport
from tuneloop.training.search.learning_curve import sizes_of
from tuneloop.workflows.search import folder_of_curve, one_run_at_a_time, search_of

What = Literal["search", "learning-curve"]


@flow(name="hyperparameter-search", flow_run_name="{recipe}")
def hyperparameter_search(
    recipe: str = "deployments/recipes/support-desk.yaml", trials: int | None = None, what: What = "search"
) -> SearchReport | LearningCurve:
    """Try other training values, one trial after the other; what was tried before is not tried again.

    Args:
        recipe: Path of the recipe under the project's root.
        trials: How many settings are tried in all; empty: as the recipe's search section says.
        what: "learning-curve" trains with the recipe's own values on 60, 120, 240, 480 and all rows instead.
    """
    spec = wiring.recipe_at(recipe)
    with only_attempt():
        base = base_model(spec.model)
        data = data_version(spec, Path(base))
        return curve(spec, data, base) if what == "learning-curve" else search(spec, data, base, trials)


def search(spec: Recipe, data: DataReport, base: str, trials: int | None) -> SearchReport:
    """Trial by trial; a search that was cut off goes on."""
    found = search_of(spec, data, Path(base), trials=trials, settings=wiring.settings())
    with one_run_at_a_time(found.folder):
        while (trial := found.next_trial()) is not None:
            run_trial(found, trial)
        return conclude(found)


def curve(spec: Recipe, data: DataReport, base: str) -> LearningCurve:
    """Size by size; those that are trained already are only read."""
    folder = folder_of_curve(spec, data, Path(base), wiring.workspace())
    with one_run_at_a_time(folder):
        points = [train_on(spec, data, base, folder, rows) for rows in sizes_of(data.rows_train)]
        return conclude_curve(spec, data, folder, points)
