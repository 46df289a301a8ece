"""Fine-tune on the present data version, without judging or registering the result."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from tasks import wiring
from tasks.data import data_version
from tasks.registry import champion_of
from tasks.runs import only_attempt
from tasks.training import base_model, trained_model
from tuneloop.results import TrainingReport
from tuneloop.training.base_models import folder_hash
from tuneloop.workflows.train import start_of


@flow(name="fine-tuning", flow_run_name="{recipe}")
def fine_tuning(recipe: str = "deployments/recipes/support-desk.yaml") -> TrainingReport:
    """Train a candidate.

    Args:
        recipe: Path of the recipe under the project's root.
    """
    spec = wiring.recipe_at(recipe)
    with only_attempt():
        base = Path(base_model(spec.model))
        champion = champion_of(spec.name) if spec.training.start_from == "champion" else None
        return trained_model(spec, data_version(spec, base), base, start_of(spec, champion, folder_hash(base)))
