"""One call that fine-tunes: it can be killed at any moment and called again, and never does finished work twice."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.chat import example_ids, load_tokenizer, prompt_format
from tuneloop.files import contents_hash, file_digests
from tuneloop.recipes import Training
from tuneloop.records import Record, content_hash
from tuneloop.results import Cost, Estimate, LossPoint, TrainingReport
from tuneloop.row_files import load_rows
from tuneloop.training.base_models import folder_hash
from tuneloop.training.checkpoints import (
    finish,
    finished_report,
    last_whole_checkpoint,
    start_or_go_on,
    step_of,
    written_whole,
)
from tuneloop.training.distributed import Processes, meet, summed, uses_fsdp, whole_state
from tuneloop.training.estimates.estimating import estimate
from tuneloop.training.estimates.hardware import this_machine
from tuneloop.training.plan import Plan, make_plan
from tuneloop.training.rows import require_rows, tokenise

if TYPE_CHECKING:
    from datasets import Dataset

    from tuneloop.training.building import Built
    from tuneloop.training.progress import Progress

log = logging.getLogger(__name__)
MERGE_PROBES = 4
"""Training rows on which the merged model is held against its adapter."""


def fine_tune(
    *,
    base: Path,
    train_file: Path,
    validation_file: Path,
    out: Path,
    system_prompt: str,
    max_tokens: int,
    config: Training,
    data_version: str,
    start: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[LossPoint], bool] | None = None,
    threads: int | None = None,
    merge: bool = True,
) -> TrainingReport:
    """Train `base` on the answers of `train_file` and write adapter, merged model and report into `out`.

    Called again with the same arguments it returns the finished report, or goes on at the last checkpoint. Called with
    others for the same `out`, it starts afresh. The two files are Parquet with a column `record` (JSON of a Record).

    Args:
        base: folder with safetensors and tokenizer (see `prepare_base`).
        train_file: the rows to learn from.
        validation_file: the rows whose loss is measured twice an epoch; may have none.
        out: folder of this one run; everything is written there.
        system_prompt: for rows that bring none.
        max_tokens: rows with more tokens are left out.
        config: the recipe's training section.
        data_version: goes into the report.
        start: folder of an adapter of the same base to go on from; None: a fresh one.
        on_progress: called with every loss; what it raises is logged, not passed on.
        should_stop: asked after every loss; True ends the training there, with what it has learned.
        threads: CPU threads; None: all we may use.
        merge: False leaves the merged model out, for a run whose loss is all that is wanted.

    Raises:
        TrainingError: no rows, or a loss that explodes.
        ModelError: the base cannot be read.
    """
    began = time.perf_counter()
    processes = meet()
    start_hash = folder_hash(start) if start is not None else None
    given = [str(base), data_version, system_prompt, max_tokens, config.model_dump(), start_hash, merge]
    fingerprint = content_hash(given)
    if (finished := finished_report(out, fingerprint)) is not None:
        return finished
    processes.once(lambda: start_or_go_on(out, fingerprint))
    tokenizer = load_tokenizer(base)
    read = [load_rows(path) for path in (train_file, validation_file)]
    train, validation = (_tokens(tokenizer, rows, system_prompt, max_tokens, config) for rows in read)
    require_rows(train, max_tokens)
    plan, foreseen = _foreseen(base, config, train, validation, threads, processes)
    from tuneloop.training.building import build, packed
    from tuneloop.training.progress import PeakMemory

    with PeakMemory() as memory, _kernel_threads(1 if plan.fast else plan.threads):
        built = build(
            base=base, out=out, config=config, plan=plan, tokenizer=tokenizer,
            train=packed(train, plan, max_tokens), validation=validation,
            processes=processes, start=start, on_progress=on_progress, should_stop=should_stop,
        )  # fmt: skip
        resumed_from = _train(built.trainer, out, processes)
        measured = _measured(built, resumed_from, config)
        probes = [example_ids(tokenizer, row, system_prompt)[0][:max_tokens] for row in read[0][:MERGE_PROBES]]
        state = whole_state(built.trainer)

        def conclude() -> TrainingReport:
            artefact = _save(built, state, base, out, config, probes if merge else [])
            report = TrainingReport(
                base_hash=folder_hash(base),
                data_version=data_version,
                rows=len(train),
                rows_left_out=sum(_examples(rows, config) for rows in read) - len(train) - len(validation),
                objective=config.objective,
                prompt_format=prompt_format(tokenizer, system_prompt),
                start=start_hash or "base",
                estimate=foreseen,
                cost=Cost(seconds=time.perf_counter() - began, peak_rss_mib=memory.mib),
                **artefact,
                **measured,
            )
            finish(out, report)
            return report

        return processes.once(conclude)


def _foreseen(
    base: Path, config: Training, train: Dataset, validation: Dataset, threads: int | None, processes: Processes
) -> tuple[Plan, Estimate]:
    """What every `auto` becomes here, and what the run will need."""
    architecture, lengths = read_architecture(base), _lengths(train)
    cores = threads or max(1, len(os.sched_getaffinity(0)) // processes.local_count)
    plan = make_plan(config, architecture, cores, sum(lengths[: config.batch_size // processes.count]), processes.count)
    foreseen = estimate(
        config,
        architecture,
        rows=len(train),
        mean_tokens=sum(lengths) / len(lengths),
        longest_tokens=sum(lengths[: config.batch_size]),
        hardware=this_machine(plan.threads),
        validation_rows=len(validation),
        processes=processes.count,
        sharded=uses_fsdp(),
        threads=cores,
    )
    return plan, foreseen


def _tokens(tokenizer: Any, rows: list[Record], system_prompt: str, max_tokens: int, config: Training) -> Dataset:
    if config.objective == "sft":
        return tokenise(tokenizer, rows, system_prompt, max_tokens)
    from tuneloop.training.preferences import tokenise_pairs

    return tokenise_pairs(tokenizer, rows, system_prompt, max_tokens, objective=config.objective)


def _examples(rows: list[Record], config: Training) -> int:
    """How many examples the rows are: with KTO, either answer of a pair is one."""
    pairs = sum(row.rejected is not None for row in rows) if config.objective == "kto" else 0
    return len(rows) + pairs


def read_architecture(base: Path) -> Any:
    """The model's transformers configuration."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(base), local_files_only=True, trust_remote_code=False)


def _lengths(examples: Dataset) -> list[int]:
    """Tokens of each example, of both answers where there are two; longest first."""
    columns = [name for name in examples.column_names if name.endswith("ids")]
    return sorted((sum(map(len, row)) for row in zip(*(examples[name] for name in columns), strict=True)), reverse=True)


@contextmanager
def _kernel_threads(threads: int) -> Iterator[None]:
    """Threads inside torch's kernels for the block: the fast step brings its own, and more would only wait."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(trainer: Any, out: Path, processes: Processes) -> int:
    """Train to the end; returns the step it was resumed from."""
    last = processes.once(lambda: last_whole_checkpoint(out))
    if last is None:
        trainer.train()
        return 0
    log.info("going on at step %d", step_of(last))
    trainer.train(resume_from_checkpoint=str(last))
    return step_of(last)


def _save(built: Built, state: Any, base: Path, out: Path, config: Training, probes: list[list[int]]) -> dict[str, Any]:
    """Write what was learned; the report's fields about it. Without `probes` no merged model is made."""
    from tuneloop.training.export.merging import merge_adapter, save_model
    from tuneloop.training.lora import save_adapter

    model, taken = built.trainer.accelerator.unwrap_model(built.trainer.model), built.loaded.taken
    if config.method == "full":
        save_model(model, base, out / "model")
        return {
            "adapter": str(out / "model"),
            "adapter_hash": contents_hash(file_digests(out / "model")),
            "model": str(out / "model"),
            "model_hash": folder_hash(out / "model"),
        }
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    with written_whole(out / "adapter", trained) as unfinished:
        save_adapter(model, taken, unfinished, state)
    adapter = {"adapter": str(out / "adapter"), "adapter_hash": contents_hash(file_digests(out / "adapter"))}
    if not probes:
        return {**adapter, "model": "", "model_hash": ""}
    merge = merge_adapter(base, out / "adapter", out / "model", config, probes)
    return {
        **adapter,
        "model": str(out / "model"),
        "model_hash": folder_hash(out / "model"),
        "merge_max_logit_difference": merge.rounding.max_logit,
        "merge_divergence": merge.rounding.divergence,
        "merge_agreement": merge.rounding.agreement,
        "merge_learned": merge.learned.divergence,
    }


def _measured(built: Built, resumed_from: int, config: Training) -> dict[str, Any]:
    """The report's fields that come from the trainer."""
    from tuneloop.training.progress import loss_points

    trainer, loaded = built.trainer, built.loaded
    history, kept = loss_points(trainer.state.log_history), built.watch.kept_step
    (tokens,) = summed(trainer.tokens_seen)
    speed = tokens / trainer.seconds_stepping if trainer.seconds_stepping else 0.0
    log.info("trained %d steps, %.0f tokens per second", trainer.state.global_step, speed)
    return {
        "quantised_layers": loaded.quantised_layers,
        "trainable_parameters": loaded.trainable_parameters,
        "total_parameters": loaded.total_parameters,
        "steps": trainer.state.global_step,
        "resumed_from_step": resumed_from,
        "tokens_per_second": speed,
        "train_loss": [p.train_loss for p in history if p.train_loss is not None][-1],
        "eval_loss": _eval_loss(history, kept),
        "losses": history,
        "chosen": built.chosen,
        "kept_step": kept,
        "warnings": built.watch.warnings,
        "measures": _measures(trainer.state.log_history, config),
    }


def _eval_loss(history: list[LossPoint], kept_step: int | None) -> float | None:
    """The last validation loss of the weights that were kept."""
    losses = [p.eval_loss for p in history if p.eval_loss is not None and kept_step in {None, p.step}]
    return losses[-1] if losses else None


def _measures(history: Any, config: Training) -> dict[str, float]:
    if config.objective == "sft":
        return {}
    from tuneloop.training.preferences import measures

    return measures(history)
