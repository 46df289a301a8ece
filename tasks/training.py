"""Base model and fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.context import TaskRunContext

from tasks import wiring
from tasks.caching import key, run_cached
from tasks.progress import Background
from tuneloop.history.plots import data_uri, loss_curve
from tuneloop.recipes import Model, Recipe
from tuneloop.records import content_hash
from tuneloop.results import DataReport, LossPoint, TrainingReport
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.fine_tuning import fine_tune

LOG_EVERY_STEPS = 10


@task(name="prepare base model", task_run_name="base {model.base}", retries=2, retry_delay_seconds=10)
def base_model(model: Model) -> str:
    """Folder of the base model on this machine; fetched or converted once."""
    return str(prepare_base(model.base, model.revision, wiring.workspace() / "models" / "base"))


def training_key(recipe: Recipe, base_hash: str, data_version: str) -> str:
    """Equal keys would train the same model again."""
    return content_hash(
        {
            "recipe": recipe.name,
            "base": base_hash,
            "data": data_version,
            "training": recipe.training.model_dump(),
            "system_prompt": recipe.model.system_prompt,
            "max_tokens": recipe.model.max_tokens,
        }
    )[:16]


def trained_model(recipe: Recipe, data: DataReport, base: Path) -> TrainingReport:
    """The model fine-tuned on this data version; from the cache when it was trained before."""
    return run_cached(train, lambda r: [f"{r.model}/config.json", r.adapter], recipe, data, str(base))


def _train_key(_: TaskRunContext, parameters: dict[str, Any]) -> str:
    base_hash = folder_hash(Path(parameters["base"]))
    return key("train", training=training_key(parameters["recipe"], base_hash, parameters["data"].version))


@task(
    name="fine-tune",
    task_run_name="fine-tune {recipe.name} on {data.version}",
    cache_key_fn=_train_key,
    persist_result=True,
    result_serializer="json",
)
def train(recipe: Recipe, data: DataReport, base: str) -> TrainingReport:
    """Train, or go on from the last checkpoint of a run that was cut off."""
    here = wiring.settings()
    identity = training_key(recipe, folder_hash(Path(base)), data.version)
    artifact = create_progress_artifact(
        0.0, key=f"training-{recipe.name}", description=f"Fine-tuning on {data.version}"
    )

    def show(progress: tuple[float, LossPoint]) -> None:
        update_progress_artifact(artifact, progress[0], description=_describe(progress[1]))

    def on_progress(point: LossPoint) -> None:
        percent = min(100.0, 100 * point.epoch / recipe.training.epochs)
        post((percent, point))
        if point.eval_loss is not None or point.step % LOG_EVERY_STEPS == 0:
            logger.info("%3.0f %%, %s", percent, _describe(point))

    logger = get_run_logger()
    with Background(show) as post:
        report = fine_tune(
            base=Path(base),
            train_file=Path(data.folder) / "train.parquet",
            validation_file=Path(data.folder) / "validation.parquet",
            out=here.workspace_path / "models" / recipe.name / identity,
            system_prompt=recipe.model.system_prompt,
            max_tokens=recipe.model.max_tokens,
            config=recipe.training,
            data_version=data.version,
            on_progress=on_progress,
            threads=here.threads,
        )
    logger.info(
        "trained %s of %s parameters over %s NF4 layers, %.0f tokens/s, %.0f s",
        f"{report.trainable_parameters:,}",
        f"{report.total_parameters:,}",
        report.quantised_layers,
        report.tokens_per_second,
        report.cost.seconds,
    )
    _show_curve(recipe.name, report)
    return report


def _describe(point: LossPoint) -> str:
    losses = [f"train {point.train_loss:.3f}" if point.train_loss is not None else ""]
    losses.append(f"validation {point.eval_loss:.3f}" if point.eval_loss is not None else "")
    return f"step {point.step}: " + ", ".join(filter(None, losses))


def _show_curve(recipe: str, report: TrainingReport) -> None:
    picture = data_uri(loss_curve(report.losses, f"{recipe} on {report.data_version}"))
    create_markdown_artifact(key=f"loss-{recipe}", markdown=f"![loss by step]({picture})")
