"""Read, check, quarantine, split and snapshot a recipe's data, without training on it."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from tasks import wiring
from tasks.data import data_version
from tasks.publishing import publish_data_sample
from tasks.runs import only_attempt
from tasks.training import base_model
from tuneloop.results import DataReport


@flow(name="data-validation", flow_run_name="{recipe}")
def data_validation(recipe: str = "deployments/recipes/support-desk.yaml") -> DataReport:
    """Make a data version of what the recipe's sources hold now, and put a sample before people where it says so.

    Args:
        recipe: Path of the recipe under the project's root.
    """
    spec = wiring.recipe_at(recipe)
    with only_attempt():
        data = data_version(spec, Path(base_model(spec.model)))
        publish_data_sample(spec, data)
        return data
