"""The artefact that will be served: what is evaluated, gated and promoted."""

from __future__ import annotations

from typing import Any

from prefect import get_run_logger, task
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import key, run_cached
from tuneloop.recipes import Recipe
from tuneloop.results import TrainingReport
from tuneloop.training.export.served import served_artefact


def served_of(recipe: Recipe, training: TrainingReport) -> tuple[str, str]:
    """(folder, hash) of what the recipe serves of a training run; a merged model is there already."""
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
    """[folder, hash] of the GGUF file; made once, and held against the adapter on its base."""
    here = wiring.settings()
    cache = here.workspace_path / "models" / "base"
    folder, artefact_hash = served_artefact(training, recipe.evaluation.artefact, cache=cache, threads=here.threads)
    get_run_logger().info("%s is what will be served: %s", recipe.evaluation.artefact, artefact_hash[:12])
    return [str(folder), artefact_hash]
