"""`tuneloop train`: train a recipe's model here, in this process, or say what that will need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneloop.errors import DataError, ModelError, TrainingError

if TYPE_CHECKING:
    from rich.console import Console

    from tuneloop.recipes import Model, Recipe
    from tuneloop.results import DataManifest, TrainingReport
    from tuneloop.settings import Settings
    from tuneloop.training.estimates.estimating import Job
    from tuneloop.training.estimates.sizes import Sizes

LETTERS_PER_TOKEN = 4
ASSUMED_ROWS = 1000
WIDE = 200
UNBUILDABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What transformers raises at a configuration that it does not understand."""


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
    from tuneloop.recipes import readable_recipe
    from tuneloop.settings import Settings

    settings = Settings()
    spec = readable_recipe(settings.root / recipe, root=settings.root, workspace=settings.workspace_path)
    if estimate:
        _estimate(spec, settings, data, hardware, processes, price_per_hour, as_json=as_json)
        return
    if hardware != "this" or processes > 1:
        raise typer.BadParameter("--hardware and --processes go with --estimate; torchrun starts processes")
    _train(spec, settings, _version(settings, spec, data), price_per_hour, out, as_json=as_json)


def _train(
    spec: Recipe, settings: Settings, version: DataManifest, price: float | None, out: Path | None, *, as_json: bool
) -> None:
    from tuneloop.cli.training_display import print_report, progress_line
    from tuneloop.training.base_models import folder_hash, prepare_base
    from tuneloop.training.estimates.past import note
    from tuneloop.training.fine_tuning import fine_tune
    from tuneloop.training.identity import training_folder

    if spec.training.start_from == "champion":
        raise TrainingError("training.start_from: champion is for rounds of the loop, which know it: `tuneloop run`")
    console = _console(quiet=as_json)
    workspace = settings.workspace_path
    console.print(f"{spec.name} on data version {version.version}, {version.rows['train']} rows", highlight=False)
    base = prepare_base(spec.model, workspace / "models" / "base")
    folder = out or training_folder(workspace, spec, folder_hash(base), version.version)
    rows = workspace / "data" / version.version
    with progress_line(console, spec.training.epochs) as on_progress:
        report = fine_tune(
            base=base,
            train_file=rows / "train.parquet",
            validation_file=rows / "validation.parquet",
            out=folder,
            system_prompt=spec.model.system_prompt,
            max_tokens=spec.model.max_tokens,
            config=spec.training,
            data_version=version.version,
            on_progress=on_progress,
            threads=settings.threads,
        )
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
    from tuneloop.training.estimates.estimating import estimate_job, fits
    from tuneloop.training.estimates.past import corrected
    from tuneloop.training.estimates.sizes import sizes_of

    job, about_rows = _job(spec, settings, data, hardware, processes, price)
    sizes = sizes_of(job.architecture)
    found = corrected(settings.workspace_path, estimate_job(job, sizes))
    found = found.model_copy(update={"assumptions": found.assumptions | {"data": about_rows}})
    fit = fits(found, job.hardware)
    advice = "It fits." if fit else _advice(job, sizes)
    if as_json:
        extra = {"peak_bytes": found.peak_bytes, "available_bytes": job.hardware.memory_bytes}
        typer.echo(json.dumps(found.model_dump() | extra | {"fits": fit, "advice": advice}, indent=2))
    else:
        print_estimate(console, found, advice=advice, available_bytes=job.hardware.memory_bytes)
    if not fit:
        raise typer.Exit(1)


def _advice(job: Job, sizes: Sizes) -> str:
    """The first change that was computed to make it fit."""
    from tuneloop.training.estimates.estimating import first_that_fits

    found = first_that_fits(job, sizes)
    if found is None:
        return (
            "It does not fit, and no smaller batch, lower rank or sharing among 8 GPUs makes it fit: a smaller model?"
        )
    words, changed = found
    return f"It does not fit. This does, with {changed.peak_bytes / 2**30:.2f} GiB: {words}"


def _job(
    spec: Recipe, settings: Settings, data: str | None, hardware: str, processes: int, price: float | None
) -> tuple[Job, str]:
    """What is to be estimated, and in words where its rows come from."""
    from os import sched_getaffinity

    from tuneloop.training.estimates.estimating import Job
    from tuneloop.training.estimates.hardware import named_machine, this_machine

    lengths, rows, validation_rows, about = _lengths(spec, settings, data)
    longest = sorted(lengths, reverse=True)[: spec.training.batch_size]
    threads = settings.threads or len(sched_getaffinity(0))
    machine = this_machine(threads) if hardware == "this" else named_machine(hardware)
    architecture = _architecture(spec.model, settings.workspace_path / "models" / "base")
    mean = sum(lengths) / len(lengths)
    tokens = sum(longest) * spec.training.batch_size / len(longest)
    job = Job(
        spec.training, architecture, machine, rows, mean, tokens, validation_rows, processes,
        threads=threads, price_per_hour=price,
    )  # fmt: skip
    return job, about


def _lengths(spec: Recipe, settings: Settings, data: str | None) -> tuple[list[int], int, int, str]:
    """Tokens of (a sample of) the training rows, rows for training and validation, and where that comes from."""
    limit = spec.model.max_tokens
    try:
        version = _version(settings, spec, data)
    except DataError:
        if data is not None:
            raise
        return _lengths_of_sources(spec, settings)
    lengths = [n for n in version.lengths.get("train", ()) if n <= limit] or [limit]
    said = f"data version {version.version}" + ("" if version.lengths else f", all rows taken as {limit} tokens long")
    return lengths, version.rows["train"], version.rows["validation"], said


def _lengths_of_sources(spec: Recipe, settings: Settings) -> tuple[list[int], int, int, str]:
    from tuneloop.data.reading import read_sources
    from tuneloop.records import Record

    data, limit = spec.data, spec.model.max_tokens
    sources = [s for s in data.sources if not (s.held_out or s.private)]
    try:
        found = [r for r in read_sources(sources, root=settings.root, workspace=settings.workspace_path)
                 if isinstance(r, Record)]  # fmt: skip
    except DataError as error:
        said = f"assumed, {ASSUMED_ROWS} rows of {limit // 2} tokens: there is no data version, and {error}"
        return [limit // 2], ASSUMED_ROWS, 0, said
    if not found:
        return (
            [limit // 2],
            ASSUMED_ROWS,
            0,
            f"assumed, {ASSUMED_ROWS} rows of {limit // 2} tokens: the sources are empty",
        )
    letters = [len(spec.model.system_prompt) + sum(len(m.content) for m in row.messages) for row in found]
    lengths = [min(limit, 1 + n // LETTERS_PER_TOKEN) for n in letters]
    rows = min(round(len(found) * data.train_share), data.max_train_rows or len(found))
    validation = min(round(len(found) * data.validation_share), data.max_validation_rows or len(found))
    said = f"{len(found)} rows of the sources, unchecked; {LETTERS_PER_TOKEN} letters a token (no data version yet)"
    return lengths, max(1, rows), validation, said


def _version(settings: Settings, spec: Recipe, wanted: str | None) -> DataManifest:
    """The latest data version of the recipe, or the one that begins like `wanted`.

    Raises:
        DataError: there is none, or more than one.
    """
    from tuneloop.data.snapshots import list_manifests

    known = list_manifests(settings.workspace_path, spec.name)
    if not known:
        raise DataError(
            f"no data version of {spec.name} in {settings.workspace_path} yet: `tuneloop run RECIPE` makes one (and "
            "trains on it); the flow data-validation makes only that"
        )
    found = [m for m in known if m.version.startswith(wanted)] if wanted is not None else known[-1:]
    if len(found) != 1:
        names = ", ".join(m.version for m in (found or known)[-10:])
        raise DataError(
            f"{wanted} is {'ambiguous' if found else f'no data version of {spec.name}'}; there are: {names}"
        )
    return found[0]


def _architecture(model: Model, cache: Path) -> Any:
    """The model's configuration: of a hub model only that one file is fetched."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, PreTrainedConfig

    from tuneloop.training.base_models import prepare_base
    from tuneloop.training.model_files import read_json, require_sane_config

    bundled = model.base.startswith("package:")
    source = prepare_base(model, cache) if bundled else Path(model.base).expanduser()
    where = str(source) if source.is_dir() else model.base
    options: dict[str, Any] = {"revision": model.revision, "cache_dir": cache / "hub"}
    try:
        if source.is_dir():
            raw = read_json(source / "config.json")
        else:
            raw, _ = PreTrainedConfig.get_config_dict(where, **options)
        require_sane_config(raw, source / "config.json" if source.is_dir() else f"the configuration of {model.base}")
        return AutoConfig.from_pretrained(where, trust_remote_code=False, **options)
    except (*UNBUILDABLE, StrictDataclassError) as error:
        raise ModelError(
            f"cannot read the configuration of {model.base}: check the id, access rights and the network, or name a "
            f"folder with its config.json ({type(error).__name__})"
        ) from error


def _console(*, quiet: bool) -> Console:
    import sys

    from rich.console import Console

    from tuneloop.cli.training_display import is_first_process

    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False, quiet=quiet or not is_first_process())
