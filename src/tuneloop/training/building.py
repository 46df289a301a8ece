"""From a recipe and a plan to a trainer that is ready to go."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trl import SFTConfig

from tuneloop.recipes import Training
from tuneloop.results import LossPoint
from tuneloop.training import callbacks
from tuneloop.training.callbacks import Watch, WatchedTrainer
from tuneloop.training.checkpoints import CHECKPOINTS
from tuneloop.training.distributed import Processes, trainer_arguments
from tuneloop.training.fast import attention
from tuneloop.training.fast.fused import fuse
from tuneloop.training.fast.threaded_trainer import ThreadedTrainer
from tuneloop.training.loading import Loaded, load_for_training
from tuneloop.training.plan import FLASH, PER_DOCUMENT, Plan

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

    from tuneloop.training.progress import Progress

log = logging.getLogger(__name__)
LOSS_POINTS = 60
"""About as many losses are kept of a run."""


@dataclass(frozen=True, slots=True)
class Built:
    """`chosen` is the plan in words, with what was fused."""

    trainer: Any
    loaded: Loaded
    chosen: dict[str, str]
    watch: Watch


def build(
    *,
    base: Path,
    out: Path,
    config: Training,
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    validation: Dataset,
    processes: Processes,
    start: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    should_stop: Callable[[LossPoint], bool] | None = None,
) -> Built:
    """Load the model and make its trainer; the log says what is quantised and what trains."""
    attention.register()
    loaded = load_for_training(base, config, plan, start)
    chosen = plan.as_text()
    if plan.fast:
        chosen["fused"] = ", ".join(f"{count} {kind}" for kind, count in fuse(loaded.model).items())
    arguments = common_arguments(out, config, plan, len(train)) | trainer_arguments(config, processes)
    parts = {
        "model": loaded.model,
        "train_dataset": train,
        "eval_dataset": validation,
        "processing_class": tokenizer,
    }
    if config.objective == "sft":
        trainer = _supervised(plan, arguments, parts)
    else:
        from tuneloop.training.preferences import make_trainer

        trainer = make_trainer(objective=config.objective, arguments=arguments, config=config, plan=plan, **parts)
    _quieten(trainer)
    watch = callbacks.watch(
        trainer, config, has_validation=len(validation) > 0, on_progress=on_progress, should_stop=should_stop
    )
    share = f"{loaded.trainable_parameters:,} of {loaded.total_parameters:,}"
    log.info("%d quantised layers, %s parameters train; %s", loaded.quantised_layers, share, chosen)
    return Built(trainer, loaded, chosen, watch)


def _quieten(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # it prints to standard output; losses are reported and kept anyway


def packed(rows: Dataset, plan: Plan, max_tokens: int) -> Dataset:
    """The rows as they are trained on: with `plan.packing`, several in one sequence of at most `max_tokens`."""
    if not plan.packing:
        return rows
    from trl import pack_dataset

    return pack_dataset(rows, max_tokens, strategy="bfd")  # best fit: no row is longer, so none is cut


def steps_of(rows: int, config: Training) -> int:
    """Optimiser steps that `rows` rows make."""
    per_epoch = math.ceil(rows / (config.batch_size * config.gradient_accumulation))
    return max(1, math.ceil(per_epoch * config.epochs))


def common_arguments(out: Path, config: Training, plan: Plan, rows: int) -> dict[str, Any]:
    """The keywords that all of TRL's configurations share."""
    on_gpu = plan.device == "cuda"
    steps = steps_of(rows, config)
    return {
        "output_dir": str(out / CHECKPOINTS),
        "num_train_epochs": config.epochs,
        "max_steps": steps,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": "constant_with_warmup" if config.lr_schedule == "constant" else config.lr_schedule,
        "warmup_steps": round(config.warmup_share * steps),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "optim": plan.optimizer,
        "seed": config.seed,
        "data_seed": config.seed,
        "gradient_checkpointing": plan.gradient_checkpointing,
        "bf16": on_gpu and plan.compute == "bfloat16",
        "fp16": plan.compute == "float16",
        "use_cpu": not on_gpu,
        "use_liger_kernel": plan.liger_kernel,
        "save_steps": config.save_every_steps,
        "save_total_limit": 2,
        "eval_strategy": "no",  # `watch` asks for evaluations
        "logging_steps": max(1, steps // LOSS_POINTS),
        "report_to": "none",  # `watch` reports
        "disable_tqdm": True,
        "dataloader_pin_memory": on_gpu,
    }


def _supervised(plan: Plan, arguments: dict[str, Any], parts: dict[str, Any]) -> Any:
    padding_free = plan.attention in {PER_DOCUMENT, FLASH}
    parts["args"] = SFTConfig(
        **arguments,
        max_length=None,  # longer rows were left out, never cut
        padding_free=padding_free,
        # lengths matter only where short rows are padded to long ones
        train_sampling_strategy="random" if padding_free else "group_by_length",
    )
    return ThreadedTrainer(threads=plan.threads, **parts) if plan.fast else WatchedTrainer(**parts)
