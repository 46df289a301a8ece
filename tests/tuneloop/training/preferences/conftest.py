"""Short preference runs on the tiny model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.tuneloop.training.preferences.pairs_of_answers import SYSTEM_PROMPT, pair
from tuneloop.recipes import Training
from tuneloop.records import Record
from tuneloop.training.fast import attention
from tuneloop.training.fast.fused import fuse
from tuneloop.training.loading import load_for_training
from tuneloop.training.plan import Plan
from tuneloop.training.preferences import make_trainer, tokenise_pairs

STEPS = {"ours": True, "trl": False}


@pytest.fixture(scope="session")
def pairs() -> list[Record]:
    return [pair(number) for number in range(20)]


@pytest.fixture(scope="session")
def run(tiny: Path, pairs: list[Record]) -> Callable[..., Any]:
    """Makes a trainer for 16 pairs (4 others for validation), ready to train in the folder `out`."""

    def made(
        objective: Literal["dpo", "kto", "reward"],
        out: Path,
        step: str = "ours",
        start: Path | None = None,
        rows: list[Record] = pairs,
        method: Literal["qlora", "lora"] = "qlora",
        **settings: Any,
    ) -> Any:
        from tuneloop.chat import load_tokenizer

        config = Training(
            objective=objective, method=method, batch_size=4, learning_rate=5e-3, lora_rank=4, lora_alpha=8, **settings
        )
        fast = STEPS[step]
        weights: Any = "plain" if method == "lora" else "dequantised" if fast else "packed"
        plan = Plan(
            device="cpu", fast=fast, threads=2 if fast else 1, attention=attention.NAME if fast else "sdpa",
            base_weights=weights, gradient_checkpointing=False, optimizer="adamw_torch", compute="bfloat16",
            packing=False, liger_kernel=False,
        )  # fmt: skip
        attention.register()
        loaded = load_for_training(tiny, config, plan, start)
        if fast:
            fuse(loaded.model)
        tokenizer = load_tokenizer(tiny)
        dataset = tokenise_pairs(tokenizer, rows, SYSTEM_PROMPT, 400, objective=objective)
        held_out = len(dataset) // 5
        return make_trainer(
            objective=objective, arguments=_arguments(out), config=config, plan=plan, model=loaded.model,
            train_dataset=dataset.select(range(held_out, len(dataset))), eval_dataset=dataset.select(range(held_out)),
            processing_class=tokenizer,
        )  # fmt: skip

    return made


def _arguments(out: Path) -> dict[str, Any]:
    return {
        "output_dir": str(out / "checkpoints"), "max_steps": 6, "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 4, "learning_rate": 5e-3, "seed": 17, "data_seed": 17,
        "gradient_checkpointing": False, "bf16": False, "use_cpu": True, "eval_strategy": "no", "save_steps": 3,
        "save_total_limit": 2, "logging_steps": 1, "report_to": "none", "disable_tqdm": True,
    }  # fmt: skip
