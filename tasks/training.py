"""Base model and fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import key, run_cached
from tasks.training_display import TrainingDisplay
from tuneloop.recipes import Model, Recipe
from tuneloop.results import DataReport, TrainingReport
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.estimates.past import note
from tuneloop.training.identity import training_folder, training_key
from tuneloop.training.launching import TrainingCall, carry_out

__all__ = ["base_model", "start_of", "train", "trained_model", "training_key"]


@task(name="prepare base model", task_run_name="base {model.base}", retries=2, retry_delay_seconds=10)
def base_model(model: Model) -> str:
    """Folder of the base model on this machine; fetched or converted once."""
    return str(prepare_base(model, wiring.workspace() / "models" / "base"))


def start_of(recipe: Recipe, champion: Mapping[str, str] | None, base_hash: str) -> str | None:
    """Folder of the adapter to go on from; None: from the base, as nothing fitting is in production."""
    if recipe.training.start_from == "base" or champion is None:
        return None
    fits = champion.get("base_hash") == base_hash and "adapter_path" in champion
    return champion["adapter_path"] if fits else None


def trained_model(recipe: Recipe, data: DataReport, base: Path, start: str | None = None) -> TrainingReport:
    """The model fine-tuned on this data version; from the cache when it was trained before."""
    return run_cached(train, lambda r: [f"{r.model}/config.json", r.adapter], recipe, data, str(base), start)


def _train_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    base_hash = folder_hash(Path(parameters["base"]))
    identity = training_key(parameters["recipe"], base_hash, parameters["data"].version)
    return key("train", training=identity, start=_start_hash(parameters["start"]))


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
    base_hash = folder_hash(Path(base))
    identity = training_key(recipe, base_hash, data.version)
    out = training_folder(here.workspace_path, recipe, base_hash, data.version)
    if start is not None:  # a folder of its own: the champion may lie in the other one
        out = out.with_name(f"{out.name}-from-{_start_hash(start)[:8]}")
    with TrainingDisplay(recipe.name, data.version, identity, mlflow=here.mlflow_url is not None) as display:
        call = TrainingCall(
            base=Path(base),
            train_file=Path(data.folder) / "train.parquet",
            validation_file=Path(data.folder) / "validation.parquet",
            out=out,
            system_prompt=recipe.model.system_prompt,
            max_tokens=recipe.model.max_tokens,
            config=recipe.training,
            data_version=data.version,
            start=Path(start) if start is not None else None,
            threads=here.threads,
        )
        report = carry_out(call, here.launcher, on_progress=display.on_progress)
        display.finish(report)
    note(here.workspace_path, report)
    get_run_logger().info(
        "trained %s of %s parameters over %s NF4 layers, %.0f tokens/s, %.0f s",
        f"{report.trainable_parameters:,}",
        f"{report.total_parameters:,}",
        report.quantised_layers,
        report.tokens_per_second,
        report.cost.seconds,
    )
    return report


def _start_hash(start: str | None) -> str:
    return folder_hash(Path(start)) if start is not None else ""
