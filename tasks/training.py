"""Base model, fine-tuning, and what will be served of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import task
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import key, run_cached
from tasks.display import TrainingDisplay
from tuneloop.recipes import Model, Recipe
from tuneloop.results import DataReport, TrainingReport
from tuneloop.training.base_models import folder_hash
from tuneloop.training.identity import training_key
from tuneloop.workflows import train as workflow


@task(name="prepare base model", task_run_name="base {model.base}", retries=2, retry_delay_seconds=10)
def base_model(model: Model) -> str:
    """Return the folder of the base model on this machine; fetched or converted once."""
    return str(workflow.base_model(model, wiring.workspace()))


def trained_model(recipe: Recipe, data: DataReport, base: Path, start: str | None = None) -> TrainingReport:
    """Return the model fine-tuned on this data version; from the cache when it was trained before."""
    return run_cached(train, lambda r: [f"{r.model}/config.json", r.adapter], recipe, data, str(base), start)


def _train_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    base_hash = folder_hash(Path(parameters["base"]))
    identity = training_key(parameters["recipe"], base_hash, parameters["data"].version)
    return key("train", training=identity, start=workflow.start_hash(parameters["start"]))


@task(
    name="fine-tune",
    task_run_name="fine-tune {recipe.name} on {data.version}",
    cache_key_fn=_train_key,
    persist_result=True,
    result_serializer="json",
)
def train(recipe: Recipe, data: DataReport, base: str, start: str | None = None) -> TrainingReport:
    """Train, or go on from the last checkpoint of a run that was cut off; `start` is an adapter to begin with."""
    here = wiring.settings()
    identity = training_key(recipe, folder_hash(Path(base)), data.version)
    open_registry = wiring.registry if here.mlflow_url is not None else None
    with TrainingDisplay(recipe.name, data.version, identity, open_registry) as display:
        report = workflow.train(
            recipe, Path(data.folder), Path(base), settings=here, start=start, on_progress=display.on_progress
        )
        display.finish(report)
    return report


def served_of(recipe: Recipe, training: TrainingReport) -> tuple[str, str]:
    """Return (folder, hash) of what the recipe serves of a training run; a merged model is there already."""
    if recipe.evaluation.artefact == "merged":
        return training.model, training.model_hash
    folder, artefact_hash = run_cached(served, lambda found: [f"{found[0]}/export.json"], recipe, training)
    return folder, artefact_hash


def _served_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    artefact = parameters["recipe"].evaluation.artefact
    return key("served", model=parameters["training"].model_hash, artefact=artefact)


@task(
    name="make served artefact",
    task_run_name="{recipe.evaluation.artefact} of {recipe.name}",
    cache_key_fn=_served_key,
    persist_result=True,
    result_serializer="json",
)
def served(recipe: Recipe, training: TrainingReport) -> list[str]:
    """Return [folder, hash] of the GGUF file; made once, and held against the adapter on its base."""
    folder, artefact_hash = workflow.make_served(recipe, training, settings=wiring.settings())
    return [str(folder), artefact_hash]
