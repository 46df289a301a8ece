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
from tuneloop.training import attention
from tuneloop.training.fused import fuse
from tuneloop.training.keeping import CHECKPOINTS
from tuneloop.training.lanes import LaneTrainer
from tuneloop.training.loading import Loaded, load_for_training
from tuneloop.training.plan import Plan
from tuneloop.training.progress import EvaluationTimes, LossReporter
from tuneloop.training.watched import WatchedTrainer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
LOSS_POINTS = 60
"""About as many losses are kept of a run."""


@dataclass(frozen=True, slots=True)
class Built:
    """`chosen` is the plan in words, with what was fused."""

    trainer: Any
    loaded: Loaded
    chosen: dict[str, str]


def build(
    *,
    base: Path,
    out: Path,
    config: Training,
    plan: Plan,
    tokenizer: PreTrainedTokenizerBase,
    train: Dataset,
    validation: Dataset,
    on_progress: Callable[[LossPoint], None] | None,
) -> Built:
    """Load the model and make its trainer; the log says what is quantised and what trains."""
    attention.register()
    loaded = load_for_training(base, config, plan)
    chosen = plan.as_text()
    parts = {
        "model": loaded.model,
        "args": _arguments(out, config, plan, len(train)),
        "train_dataset": train,
        "eval_dataset": validation,
        "processing_class": tokenizer,
        "callbacks": [EvaluationTimes()] if len(validation) else [],
    }
    if plan.fast:
        chosen["fused"] = ", ".join(f"{count} {kind}" for kind, count in fuse(loaded.model).items())
        trainer: Any = LaneTrainer(lanes=plan.threads, **parts)
    else:
        trainer = WatchedTrainer(**parts)
    _quieten(trainer)
    if on_progress is not None:
        trainer.add_callback(LossReporter(on_progress))
    share = f"{loaded.trainable_parameters:,} of {loaded.total_parameters:,}"
    log.info("%d quantised layers, %s parameters train; %s", loaded.quantised_layers, share, chosen)
    return Built(trainer, loaded, chosen)


def _quieten(trainer: Any) -> None:
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)  # it prints to standard output; losses are reported and kept anyway


def _steps(rows: int, config: Training) -> int:
    per_epoch = math.ceil(rows / (config.batch_size * config.gradient_accumulation))
    return max(1, math.ceil(per_epoch * config.epochs))


def _arguments(out: Path, config: Training, plan: Plan, rows: int) -> SFTConfig:
    on_gpu = plan.device == "cuda"
    steps = _steps(rows, config)
    padding_free = plan.attention in {attention.NAME, "flash_attention_2"}
    schedule = "constant_with_warmup" if config.lr_schedule == "constant" else config.lr_schedule
    return SFTConfig(
        output_dir=str(out / CHECKPOINTS),
        num_train_epochs=config.epochs,
        max_steps=steps,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=schedule,
        warmup_steps=round(config.warmup_share * steps),
        weight_decay=config.weight_decay,
        max_grad_norm=config.max_grad_norm,
        optim=plan.optimizer,
        seed=config.seed,
        data_seed=config.seed,
        gradient_checkpointing=plan.gradient_checkpointing,
        bf16=on_gpu,
        use_cpu=not on_gpu,
        max_length=None,  # longer rows were left out, never cut
        padding_free=padding_free,
        # lengths matter only where short rows are padded to long ones
        train_sampling_strategy="random" if padding_free else "group_by_length",
        save_steps=config.save_every_steps,
        save_total_limit=2,
        eval_strategy="no",  # EvaluationTimes asks for them
        logging_steps=max(1, steps // LOSS_POINTS),
        report_to="none",
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
    )
