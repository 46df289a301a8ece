"""Estimate what a training will need, from the model's configuration and its rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from os import sched_getaffinity
from pathlib import Path
from typing import Any

from tuneloop.data.reading import read_sources
from tuneloop.data.snapshots import find_manifest, require_manifests
from tuneloop.errors import DataError, ModelError
from tuneloop.recipes import Model, Recipe
from tuneloop.records import Record
from tuneloop.results import Estimate
from tuneloop.settings import Settings
from tuneloop.training.base_models import prepare_base
from tuneloop.training.estimates.estimating import Job, estimate_job, first_that_fits, fits
from tuneloop.training.estimates.hardware import named_machine, this_machine
from tuneloop.training.estimates.past import corrected
from tuneloop.training.estimates.sizes import Sizes, sizes_of
from tuneloop.training.model_files import read_json, require_sane_config
from tuneloop.workspaces import base_models

LETTERS_PER_TOKEN = 4
ASSUMED_ROWS = 1000
UNBUILDABLE = (OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What transformers raises at a configuration that it does not understand."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """An estimate beside what the machine has; `advice` says what to change where it does not fit."""

    estimate: Estimate
    fits: bool
    advice: str
    available_bytes: float


def estimate_training(
    spec: Recipe, settings: Settings, data: str | None, hardware: str, processes: int, price: float | None
) -> Outlook:
    """Estimate memory, time and cost. `data` is a data version or its first letters; None: the latest, or the sources.

    `hardware` is `this` or a name that `named_machine` knows; `price` is that of an hour of one GPU or machine.
    """
    job, about_rows = _job(spec, settings, data, hardware, processes, price)
    sizes = sizes_of(job.architecture)
    found = corrected(settings.workspace_path, estimate_job(job, sizes))
    found = found.model_copy(update={"assumptions": found.assumptions | {"data": about_rows}})
    is_enough = fits(found, job.hardware)
    advice = "It fits." if is_enough else _advice(job, sizes)
    return Outlook(found, is_enough, advice, job.hardware.memory_bytes)


def _advice(job: Job, sizes: Sizes) -> str:
    """Name the first change that was computed to make it fit."""
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
    """Return what is to be estimated, and in words where its rows come from."""
    lengths, rows, validation_rows, about = _lengths(spec, settings, data)
    longest = sorted(lengths, reverse=True)[: spec.training.batch_size]
    threads = settings.threads or len(sched_getaffinity(0))
    machine = this_machine(threads) if hardware == "this" else named_machine(hardware)
    architecture = _architecture(spec.model, base_models(settings.workspace_path))
    mean = sum(lengths) / len(lengths)
    tokens = sum(longest) * spec.training.batch_size / len(longest)
    job = Job(
        spec.training, architecture, machine, rows, mean, tokens, validation_rows, processes,
        threads=threads, price_per_hour=price,
    )  # fmt: skip
    return job, about


def _lengths(spec: Recipe, settings: Settings, data: str | None) -> tuple[list[int], int, int, str]:
    """Return tokens of (a sample of) the training rows, rows for training and validation, and where that comes from."""
    limit = spec.model.max_tokens
    try:
        version = find_manifest(require_manifests(settings.workspace_path, spec.name), data)
    except DataError:
        if data is not None:
            raise
        return _lengths_of_sources(spec, settings)
    lengths = [n for n in version.lengths.get("train", ()) if n <= limit] or [limit]
    said = f"data version {version.version}" + ("" if version.lengths else f", all rows taken as {limit} tokens long")
    return lengths, version.rows["train"], version.rows["validation"], said


def _lengths_of_sources(spec: Recipe, settings: Settings) -> tuple[list[int], int, int, str]:
    """Return the same from rows that were not checked yet; assumed where there are none."""
    data, limit = spec.data, spec.model.max_tokens
    assumed = f"assumed, {ASSUMED_ROWS} rows of {limit // 2} tokens"
    sources = [s for s in data.sources if not (s.held_out or s.private)]
    try:
        found = [r for r in read_sources(sources, root=settings.root, workspace=settings.workspace_path)
                 if isinstance(r, Record)]  # fmt: skip
    except DataError as error:
        return [limit // 2], ASSUMED_ROWS, 0, f"{assumed}: there is no data version, and {error}"
    if not found:
        return [limit // 2], ASSUMED_ROWS, 0, f"{assumed}: the sources are empty"
    letters = [len(spec.model.system_prompt) + sum(len(m.content) for m in row.messages) for row in found]
    lengths = [min(limit, 1 + n // LETTERS_PER_TOKEN) for n in letters]
    rows = min(round(len(found) * data.train_share), data.max_train_rows or len(found))
    validation = min(round(len(found) * data.validation_share), data.max_validation_rows or len(found))
    said = f"{len(found)} rows of the sources, unchecked; {LETTERS_PER_TOKEN} letters a token (no data version yet)"
    return lengths, max(1, rows), validation, said


def _architecture(model: Model, cache: Path) -> Any:
    """Return the model's configuration: of a hub model only that one file is fetched."""
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig, PreTrainedConfig

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
