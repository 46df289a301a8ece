"""What a training run will need, before it starts: memory by part, time and cost; and what to change if it is too much.

Everything comes from the model's configuration, without its weights. The formulas and how far they were off are in
docs/estimates.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from tuneloop.recipes import Training
from tuneloop.results import Estimate, TrainingReport
from tuneloop.training.estimates.durations import LABELLED_SHARE, Work, training_seconds, utilisation
from tuneloop.training.estimates.footprint import BF16, FLOAT32, Logits, Step, training_bytes, weight_bytes
from tuneloop.training.estimates.hardware import MACHINES, Hardware
from tuneloop.training.estimates.sizes import Sizes, sizes_of
from tuneloop.training.plan import MEMORY_SHARE, Plan, make_plan

USABLE_SHARE = 0.95
"""Of a GPU's memory: its allocator loses some between blocks."""

SPARE_SHARE = 0.06
"""What the allocator holds beyond what is in use, of all but the base weights."""

PROBED_TOKENS = 4 * 256
"""`merging.PROBES` and `PROBE_TOKENS`."""

SMALLEST_RANK = 8
Settings = dict[str, Any]
"""Keys of the recipe's training section with other values."""

PROCESS_COUNTS = (2, 4, 8)


@dataclass(frozen=True, slots=True)
class Job:
    """All that an estimate depends on. `longest_tokens` is the sum over the rows of the largest batch."""

    config: Training
    architecture: Any
    hardware: Hardware
    rows: int
    mean_tokens: float
    longest_tokens: float
    validation_rows: int = 0
    processes: int = 1
    sharded: bool = False
    threads: int | None = None
    price_per_hour: float | None = None
    logits: Logits = "in parts"


def estimate(
    config: Training,
    architecture: Any,
    *,
    rows: int,
    mean_tokens: float,
    longest_tokens: float,
    hardware: Hardware,
    validation_rows: int = 0,
    processes: int = 1,
    sharded: bool = False,
    threads: int | None = None,
    price_per_hour: float | None = None,
) -> Estimate:
    """Memory, time and cost of one training run.

    Args:
        config: the recipe's training section.
        architecture: the model's transformers configuration.
        rows: training rows (packed: sequences).
        mean_tokens: of a row.
        longest_tokens: summed over the rows of the largest batch.
        hardware: one processor; see `hardware.named_machine` and `hardware.this_machine`.
        validation_rows: rows whose loss is measured.
        processes: GPUs, or processes on CPUs; the recipe's batch is that of all together.
        sharded: weights and optimiser are dealt out to the processes (FSDP) in place of a copy for each (DDP).
        threads: CPU threads; None: all we may use.
        price_per_hour: of one processor.
    """
    job = Job(
        config, architecture, hardware, rows, mean_tokens, longest_tokens,
        validation_rows, processes, sharded, threads, price_per_hour,
    )  # fmt: skip
    return estimate_job(job, sizes_of(architecture))


def estimate_job(job: Job, sizes: Sizes) -> Estimate:
    """The same for a model whose sizes are known."""
    plan = plan_for(job)
    step = step_of(job, plan)
    memory = memory_bytes(sizes, step, job.longest_tokens / job.processes, job.hardware.memory_bytes)
    work = Work(job.rows, job.mean_tokens, job.config.epochs, job.validation_rows, _evaluations(job.config))
    seconds = training_seconds(sizes, step, work, job.hardware)
    total = sum(seconds.values())
    trained = sizes.parameters if step.full else sizes.adapter_parameters(job.config)
    return Estimate(
        parameters=sizes.parameters,
        trainable_parameters=trained,
        memory_bytes=memory,
        seconds=total,
        cost=None if job.price_per_hour is None else total / 3600 * job.price_per_hour * job.processes,
        hardware=job.hardware.name,
        assumptions=_assumptions(job, plan, step, sizes, seconds),
    )


def memory_bytes(sizes: Sizes, step: Step, tokens: float, available: float) -> dict[str, float]:
    """Part -> bytes in the phase that needs most: loading, training or (on a CPU) merging."""
    training = training_bytes(sizes, step, tokens)
    training["allocator"] = SPARE_SHARE * sum(training[part] for part in ("gradients", "activations", "logits"))
    if step.on_gpu:
        return training
    loading = {"runtime": training["runtime"], "base weights": weight_bytes(sizes, step),
               "files while loading": BF16 * sizes.parameters}  # fmt: skip
    merging = training if step.full else training | {"merging": _merging_bytes(sizes, available)}
    return max((loading, training, merging), key=lambda parts: sum(parts.values()))


def _merging_bytes(sizes: Sizes, available: float) -> float:
    """A second model, its files, and its scores on the probes beside the first one's, as `merging` compares them.

    On top of all that training used: the C library gives little of it back.
    """
    exact = FLOAT32 * sizes.parameters < MEMORY_SHARE * available
    scores = 2 * PROBED_TOKENS * sizes.vocabulary * FLOAT32
    return ((FLOAT32 if exact else BF16) + BF16) * sizes.parameters + scores


def fits(found: Estimate, hardware: Hardware) -> bool:
    """Whether the peak is within what the hardware has."""
    return found.peak_bytes <= hardware.memory_bytes * (USABLE_SHARE if hardware.device == "cuda" else 1.0)


def first_that_fits(job: Job, sizes: Sizes) -> tuple[str, Estimate] | None:
    """The change that costs least and makes the job fit, in words, with its estimate; None: none that we know does."""
    for words, changed in changes(job):
        found = estimate_job(changed, sizes)
        if fits(found, job.hardware):
            return words, found
    return None


def changes(job: Job) -> Iterator[tuple[str, Job]]:
    """Ways to need less memory: each by itself, the one that costs least first, then all together, then more GPUs."""
    singles = list(_settings(job.config, job.processes, on_gpu=job.hardware.device == "cuda"))
    for settings in singles:
        yield _in_words(settings), _with(job, settings)
    furthest = {frozenset(settings): settings for settings in singles}.values()  # of each kind the last, and strongest
    together: Settings = {}
    for settings in furthest:
        together = together | settings
        yield _in_words(together), _with(job, together)
    if job.hardware.device == "cuda":
        for processes in (n for n in PROCESS_COUNTS if n > job.processes):
            words = f"{processes} GPUs that share the weights (FSDP)"
            for settings in ({}, together):
                shared = settings | _shared_out(job.config.model_copy(update=settings), processes)
                changed = replace(_with(job, shared), processes=processes, sharded=True)
                yield ", ".join(filter(None, (words, _in_words(shared)))), changed


def step_of(job: Job, plan: Plan) -> Step:
    """What of job and plan decides about memory and time."""
    return Step(
        config=job.config,
        on_gpu=job.hardware.device == "cuda",
        fused=plan.fast,
        attention=plan.attention,
        packed=plan.base_weights == "packed",
        checkpointing=plan.gradient_checkpointing,
        optimizer=plan.optimizer,
        row_tokens=job.longest_tokens / job.config.batch_size,
        threads=min(plan.threads, max(1, job.config.batch_size // job.processes)) if plan.fast else 1,
        processes=job.processes,
        sharded=job.sharded,
        logits=job.logits,
    )


def plan_for(job: Job) -> Plan:
    """What every `auto` becomes: on this machine as it will be decided, on a named GPU as without optional packages."""
    config = job.config
    if job.hardware.name not in MACHINES:
        return make_plan(config, job.architecture, job.threads, round(job.longest_tokens))
    weights = "plain" if config.method != "qlora" else config.base_weights
    return Plan(
        device="cuda",
        fast=False,
        threads=job.threads or 1,
        attention="sdpa" if config.attention == "auto" else config.attention,
        base_weights="packed" if weights == "auto" else weights,
        gradient_checkpointing=config.gradient_checkpointing is not False,
        optimizer="paged_adamw_8bit" if config.optimizer == "auto" else config.optimizer,
        compute="float16" if job.hardware.name == "t4" else "bfloat16",
        packing=config.packing is True,
        liger_kernel=config.liger_kernel is True,
    )


def error(report: TrainingReport) -> dict[str, float]:
    """Truth over estimate of time and memory: 1.2 is a fifth more than foreseen.

    Empty where they cannot be compared: no estimate, a run that was resumed (its time before that is not known), or,
    for memory, one on a GPU (the report's memory is the host's).
    """
    if report.estimate is None or report.resumed_from_step:
        return {}
    found = {"seconds": report.cost.seconds / report.estimate.seconds}
    if report.chosen.get("device") != "cuda":
        found["memory"] = report.cost.peak_rss_mib * 2**20 / report.estimate.peak_bytes
    return found


def _settings(config: Training, processes: int, *, on_gpu: bool) -> Iterator[Settings]:
    """Changes that leave what is learned as it is come first: recomputing, then smaller batches at the same step."""
    if config.gradient_checkpointing is not True:
        yield {"gradient_checkpointing": True}
    if config.method == "qlora" and config.base_weights != "packed":
        yield {"base_weights": "packed"}
    if on_gpu and "8bit" not in config.optimizer and config.optimizer != "auto":
        yield {"optimizer": "paged_adamw_8bit"}
    size, accumulation = config.batch_size, config.gradient_accumulation
    while size % (2 * processes) == 0:  # the rows of a step stay the same, and each process has its share
        size, accumulation = size // 2, accumulation * 2
        yield {"batch_size": size, "gradient_accumulation": accumulation}
    rank = config.lora_rank
    while config.method != "full" and rank // 2 >= SMALLEST_RANK:
        rank //= 2
        yield {"lora_rank": rank}
    if config.method != "qlora":
        yield {"method": "qlora"}


def _shared_out(config: Training, processes: int) -> Settings:
    """The batch is that of all processes together: enlarge one that they could not share."""
    if config.batch_size % processes == 0:
        return {}
    rows = config.batch_size * config.gradient_accumulation
    return {"batch_size": processes, "gradient_accumulation": max(1, round(rows / processes))}


def _in_words(settings: Settings) -> str:
    return ", ".join(f"{key}: {str(value).lower()}" for key, value in settings.items())


def _with(job: Job, settings: Settings) -> Job:
    config = job.config.model_copy(update=settings)
    return replace(job, config=config, longest_tokens=job.longest_tokens * config.batch_size / job.config.batch_size)


def _evaluations(config: Training) -> float:
    return config.evaluations_per_epoch * config.epochs


def _assumptions(job: Job, plan: Plan, step: Step, sizes: Sizes, seconds: dict[str, float]) -> dict[str, str]:
    hardware = job.hardware
    found = {
        "method": method_of(plan.as_text()),
        "rows": f"{job.rows:,} of {job.mean_tokens:,.0f} tokens, {job.longest_tokens:,.0f} in the largest batch",
        "rate": f"{utilisation(step, hardware):.0%} of {hardware.flops / 1e12:,.3g} TFLOP/s",
        "time": ", ".join(f"{part} {value:,.0f} s" for part, value in seconds.items() if value),
        "head": f"{LABELLED_SHARE:.0%} of the tokens carry loss",
    }
    if job.processes > 1:
        found["processes"] = f"{job.processes}, " + ("sharing the weights" if job.sharded else "each with all weights")
    if step.on_gpu and not step.full:
        found["host memory"] = f"{2 * BF16 * sizes.parameters / 1e9:,.0f} GB to merge in, on the CPU"
    if sizes.expert_parameters and job.config.method == "qlora":
        found["experts"] = (
            f"{sizes.expert_parameters:,} parameters in stacked experts stay bf16: NF4 takes linear layers"
        )
    return found


def method_of(chosen: dict[str, str]) -> str:
    """What of a plan in words decides about speed: runs that agree in it can be compared."""
    parts = [chosen["device"], chosen["step"], f"{chosen['base_weights']} weights"]
    return ", ".join([*parts, "checkpointing"] if chosen["gradient_checkpointing"] == "on" else parts)
