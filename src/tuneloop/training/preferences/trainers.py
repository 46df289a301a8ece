"""The trainer of an objective: TRL's own, or on a CPU ours in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trl import DPOConfig, KTOConfig, RewardConfig

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.training.fast.attention import NAME as PER_DOCUMENT
from tuneloop.training.plan import Plan
from tuneloop.training.preferences.pairs import Objective
from tuneloop.training.preferences.threaded_trainers import (
    ThreadedDPOTrainer,
    ThreadedKTOTrainer,
    ThreadedRewardTrainer,
)
from tuneloop.training.preferences.watched import WatchedDPOTrainer, WatchedKTOTrainer, WatchedRewardTrainer

if TYPE_CHECKING:
    from datasets import Dataset

IN_THREADS: dict[Objective, Any] = {
    "dpo": ThreadedDPOTrainer,
    "kto": ThreadedKTOTrainer,
    "reward": ThreadedRewardTrainer,
}
BY_TRL: dict[Objective, Any] = {"dpo": WatchedDPOTrainer, "kto": WatchedKTOTrainer, "reward": WatchedRewardTrainer}


def make_trainer(
    *,
    objective: Objective,
    arguments: dict[str, Any],
    config: Training,
    plan: Plan,
    model: Any,
    train_dataset: Dataset,
    eval_dataset: Dataset,
    processing_class: Any,
    callbacks: list[Any] | None = None,
) -> Any:
    """A trainer for what `tokenise_pairs` made; the reference is `model` as it comes (or what is kept of its start).

    Args:
        objective: `dpo`, `kto` or `reward`.
        arguments: keywords that all of TRL's configurations take.
        config: the recipe's training section.
        plan: with `fast` the step is ours, and `model` was loaded and fused for it.
        model: as `load_for_training` made it for this objective.
        train_dataset: the rows to learn from.
        eval_dataset: may have no rows.
        processing_class: the tokenizer.
        callbacks: for the trainer.

    Raises:
        TrainingError: the recipe asks for what the objective cannot do.
    """
    _require_possible(objective, config, plan)
    parts = {
        "model": model,
        "args": _arguments(objective, arguments, config, train_dataset),
        "train_dataset": _ordered(objective, train_dataset, config),
        "eval_dataset": eval_dataset if len(eval_dataset) else None,
        "processing_class": processing_class,
        "callbacks": callbacks,
    }
    trainer = IN_THREADS[objective](threads=plan.threads, **parts) if plan.fast else BY_TRL[objective](**parts)
    if "ref" in getattr(model, "peft_config", {}):
        model.delete_adapter(
            "ref"
        )  # TRL's copy of the start, which would be saved too; its numbers are in the rows now
    return trainer


def _require_possible(objective: Objective, config: Training, plan: Plan) -> None:
    if objective == "kto" and config.batch_size == 1:
        raise TrainingError(
            "training.objective: kto compares the answers of a batch; set training.batch_size to 4 or more"
        )
    if not plan.fast and plan.attention == PER_DOCUMENT:
        raise TrainingError(
            f"training.attention: {PER_DOCUMENT} cannot read the padded batches of {objective} with step: trl; "
            "set `auto`"
        )


def _arguments(objective: Objective, arguments: dict[str, Any], config: Training, train: Dataset) -> Any:
    if objective == "reward":
        return RewardConfig(**arguments, max_length=None)
    held = {**arguments, "max_length": None, "beta": config.beta, "precompute_ref_log_probs": True}
    return DPOConfig(**held) if objective == "dpo" else KTOConfig(**held, **_weights(train["label"]))


def _weights(labels: list[bool]) -> dict[str, float]:
    """Good and bad answers get equal say, however many there are (section 4.2 of the KTO paper)."""
    good = sum(labels)
    bad = len(labels) - good
    if not good or not bad:
        raise TrainingError(
            f"training.objective: kto needs good and bad answers, and there are {good} and {bad}; add the missing "
            "kind, or take objective: sft for good answers alone"
        )
    return {"desirable_weight": max(bad / good, 1.0), "undesirable_weight": max(good / bad, 1.0)}


def _ordered(objective: Objective, train: Dataset, config: Training) -> Dataset:
    """KTO gives each prompt its neighbour's answer and so reads rows in order; answers to one prompt must not meet."""
    return train.shuffle(seed=config.seed).flatten_indices() if objective == "kto" else train
