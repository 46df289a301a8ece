"""Measure the base model and the champion again on the present held-out rows."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from tasks import wiring
from tasks.data import data_version
from tasks.evaluation import evaluation_of
from tasks.registry import champion_of
from tasks.runs import only_attempt
from tasks.training import base_model
from tuneloop.registry.rounds import served_by
from tuneloop.results import EvaluationReport
from tuneloop.training.base_models import folder_hash


@flow(name="model-evaluation", flow_run_name="{recipe}")
def model_evaluation(recipe: str = "deployments/recipes/support-desk.yaml") -> list[EvaluationReport]:
    """Evaluate base and champion.

    Args:
        recipe: Path of the recipe under the project's root.
    """
    spec = wiring.recipe_at(recipe)
    with only_attempt():
        base = base_model(spec.model)
        data = data_version(spec, Path(base))
        reports = [evaluation_of(spec, data, "base", base, folder_hash(Path(base)))]
        if champion := champion_of(spec.name):
            reports.append(evaluation_of(spec, data, "champion", *served_by(champion)))
        return reports
