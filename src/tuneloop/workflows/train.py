"""Train a recipe's model on a data version, and make of it what will be served."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.recipes import Model, Recipe
from tuneloop.results import TrainingReport
from tuneloop.settings import Settings
from tuneloop.training.base_models import folder_hash, prepare_base
from tuneloop.training.estimates.past import note
from tuneloop.training.export.served import served_artefact
from tuneloop.training.identity import training_folder
from tuneloop.training.launching import TrainingCall, carry_out
from tuneloop.workspaces import base_models

if TYPE_CHECKING:
    from tuneloop.training.progress import Progress

_log = logging.getLogger(__name__)


def base_model(model: Model, workspace: Path) -> Path:
    """Return the folder of the base model on this machine; fetched or converted once."""
    return prepare_base(model, base_models(workspace))


def start_of(recipe: Recipe, champion: Mapping[str, str] | None, base_hash: str) -> str | None:
    """Return the folder of the adapter to go on from; None: from the base, as nothing fitting is in production."""
    if recipe.training.start_from == "base" or champion is None:
        return None
    fits = champion.get("base_hash") == base_hash and "adapter_path" in champion
    return champion["adapter_path"] if fits else None


def start_hash(start: str | None) -> str:
    """Hash the adapter to go on from; the empty string for the base."""
    return folder_hash(Path(start)) if start is not None else ""


def train(
    recipe: Recipe,
    data: Path,
    base: Path,
    *,
    settings: Settings,
    start: str | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> TrainingReport:
    """Train on a data version, or go on from the last checkpoint of a run that was cut off.

    `data` is the folder of the version, `start` that of an adapter to begin with.
    """
    workspace = settings.workspace_path
    out = training_folder(workspace, recipe, folder_hash(base), data.name)
    if start is not None:  # a folder of its own: the champion may lie in the other one
        out = out.with_name(f"{out.name}-from-{start_hash(start)[:8]}")
    call = training_call(recipe, data, base, out, settings=settings, start=Path(start) if start else None)
    report = carry_out(call, settings.launcher, on_progress=on_progress)
    note(workspace, report)
    _log.info(
        "trained %s of %s parameters over %s NF4 layers, %.0f tokens/s, %.0f s",
        f"{report.trainable_parameters:,}",
        f"{report.total_parameters:,}",
        report.quantised_layers,
        report.tokens_per_second,
        report.cost.seconds,
    )
    return report


def training_call(
    recipe: Recipe,
    data: Path,
    base: Path,
    out: Path,
    *,
    settings: Settings,
    start: Path | None = None,
    threads: int | None = None,
    merge: bool = True,
) -> TrainingCall:
    """Put together all that a training needs, whoever starts it.

    `data` is the folder of a data version, which has its name; `start` an adapter to go on from; `threads` count
    instead of those that the settings name.
    """
    return TrainingCall(
        base=base,
        train_file=data / "train.parquet",
        validation_file=data / "validation.parquet",
        out=out,
        system_prompt=recipe.model.system_prompt,
        max_tokens=recipe.model.max_tokens,
        config=recipe.training,
        data_version=data.name,
        start=start,
        threads=threads or settings.threads,
        merge=merge,
    )


def make_served(recipe: Recipe, training: TrainingReport, *, settings: Settings) -> tuple[Path, str]:
    """Make the GGUF file that the recipe serves, held against the adapter on its base; returns its folder and hash."""
    artefact = recipe.evaluation.artefact
    folder, artefact_hash = served_artefact(
        training, artefact, cache=base_models(settings.workspace_path), threads=settings.threads
    )
    _log.info("%s is what will be served: %s", artefact, artefact_hash[:12])
    return folder, artefact_hash
