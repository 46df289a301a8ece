"""`tuneloop train`: train a recipe's model here, in this process, or say what that will need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.errors import TrainingError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.recipes import Recipe
    from tuneloop.results import DataManifest, TrainingReport
    from tuneloop.settings import Settings

WIDE = 200


def register(app: typer.Typer) -> None:
    app.command("train", rich_help_panel="The loop")(train)


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    *,
    data: Annotated[str | None, typer.Option(help="Data version or its first letters; else the latest.")] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Only say what memory, time and money it takes.")
    ] = False,
    hardware: Annotated[
        str, typer.Option(help="For --estimate: this, t4, l4, a10g, rtx-4090, a100-40, a100-80, h100, h200 or b200.")
    ] = "this",
    processes: Annotated[int, typer.Option(min=1, help="For --estimate: GPUs or processes that share a batch.")] = 1,
    price_per_hour: Annotated[float | None, typer.Option(min=0, help="Of one GPU or machine; adds the cost.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the run; else the one a flow run would use.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for other programs.")] = False,
) -> None:
    """Train the recipe's model on its latest data version, here and without Prefect.

    A run that was cut off goes on at its last checkpoint, and flow runs find what was trained here. Several processes:
    `torchrun --nproc-per-node 2 -m tuneloop.cli train RECIPE`. With --estimate nothing is trained: memory by part, time
    and cost come from the model's configuration alone, for this machine or another, with what to change if it is too
    much (exit code 1).
    """
    from tuneloop.data.snapshots import find_manifest, require_manifests
    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings

    settings = Settings()
    spec = readable_recipe(settings.root / recipe, root=settings.root, workspace=settings.workspace_path)
    if estimate:
        _estimate(spec, settings, data, hardware, processes, price_per_hour, as_json=as_json)
        return
    if hardware != "this" or processes > 1:
        raise typer.BadParameter("--hardware and --processes go with --estimate; torchrun starts processes")
    version = find_manifest(require_manifests(settings.workspace_path, spec.name), data)
    _train(spec, settings, version, price_per_hour, out, as_json=as_json)


def _train(
    spec: Recipe, settings: Settings, version: DataManifest, price: float | None, out: Path | None, *, as_json: bool
) -> None:
    from tuneloop.cli.training_display import print_report, progress_line
    from tuneloop.training.base_models import folder_hash
    from tuneloop.training.estimates.past import note
    from tuneloop.training.identity import training_folder
    from tuneloop.training.launching import carry_out
    from tuneloop.workflows.train import base_model, training_call

    if spec.training.start_from == "champion":
        raise TrainingError("training.start_from: champion is for rounds of the loop, which know it: `tuneloop run`")
    console = _console(quiet=as_json)
    workspace = settings.workspace_path
    console.print(f"{spec.name} on data version {version.version}, {version.rows['train']} rows", highlight=False)
    base = base_model(spec.model, workspace)
    folder = out or training_folder(workspace, spec, folder_hash(base), version.version)
    call = training_call(spec, workspace / "data" / version.version, base, folder, settings=settings)
    with progress_line(console, spec.training.epochs) as on_progress:
        report = carry_out(call, None, on_progress=on_progress)
    _finish(report, workspace, as_json=as_json, note=note)
    print_report(console, report, folder=str(folder), price_per_hour=price)


def _finish(report: TrainingReport, workspace: Path, *, as_json: bool, note: Any) -> None:
    from tuneloop.cli.training_display import is_first_process

    if is_first_process():
        note(workspace, report)
        if as_json:
            typer.echo(report.model_dump_json(indent=2))


def _estimate(
    spec: Recipe,
    settings: Settings,
    data: str | None,
    hardware: str,
    processes: int,
    price: float | None,
    *,
    as_json: bool,
) -> None:
    console = _console(quiet=as_json)
    console.print("Reading the model's configuration...", style="dim")
    from tuneloop.cli.training_display import print_estimate
    from tuneloop.workflows.estimate import estimate_training

    found = estimate_training(spec, settings, data, hardware, processes, price)
    if as_json:
        extra = {"peak_bytes": found.estimate.peak_bytes, "available_bytes": found.available_bytes}
        typer.echo(
            json.dumps(found.estimate.model_dump() | extra | {"fits": found.fits, "advice": found.advice}, indent=2)
        )
    else:
        print_estimate(console, found.estimate, advice=found.advice, available_bytes=found.available_bytes)
    if not found.fits:
        raise typer.Exit(1)


def _console(*, quiet: bool) -> Console:
    import sys

    from rich.console import Console

    from tuneloop.cli.training_display import is_first_process

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, quiet=quiet or not is_first_process())
