"""What every `auto` of the recipe becomes on this machine, decided once and written into the report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.training.estimates.footprint import Step, activation_bytes
from tuneloop.training.estimates.sizes import sizes_of

FUSED_ARCHITECTURES = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}
"""Models that compute exactly what `fused` and `attention` rewrite (no soft-capping, no scaled logits)."""

PER_DOCUMENT, FLASH = "per_document", "flash_attention_2"
SWITCHES = ("gradient_checkpointing", "packing", "liger_kernel")

MEMORY_SHARE = 0.5
"""Of the free memory, what one training run may plan to use."""

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Plan:
    """`fast` is our own CPU step; without it TRL's runs. `threads` are CPU threads, one shard each in the fast step."""

    device: Literal["cpu", "cuda"]
    fast: bool
    threads: int
    attention: str
    base_weights: Literal["packed", "dequantised", "plain"]
    gradient_checkpointing: bool
    optimizer: str
    compute: Literal["bfloat16", "float16"]
    packing: bool
    liger_kernel: bool

    def as_text(self) -> dict[str, str]:
        return {
            "device": self.device,
            "step": "fused lanes" if self.fast else "trl",  # as in earlier reports, with which `reproduce` compares
            "threads": str(self.threads),
            "attention": self.attention,
            "base_weights": self.base_weights,
            "optimizer": self.optimizer,
            "compute": self.compute,
            **{name: "on" if getattr(self, name) else "off" for name in SWITCHES},
        }


def make_plan(
    config: Training, architecture: Any, threads: int | None, tokens_per_batch: int, processes: int = 1
) -> Plan:
    """Decide for this machine.

    Args:
        config: the recipe's training section.
        architecture: the model's transformers configuration.
        threads: CPU threads, or None for one per core we may use.
        tokens_per_batch: of the largest batch, for the estimate of activations.
        processes: how many train together.

    Raises:
        TrainingError: the recipe asks for what this model or machine cannot do.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    fast = _is_fast(config, architecture, processes, on_gpu=on_gpu)
    attention = _attention(config, fast=fast, on_gpu=on_gpu)
    return Plan(
        device="cuda" if on_gpu else "cpu",
        fast=fast,
        threads=threads or len(os.sched_getaffinity(0)),
        attention=attention,
        base_weights=_base_weights(config, architecture, on_gpu=on_gpu),
        gradient_checkpointing=_checkpointing(
            config, architecture, tokens_per_batch, fast=fast, attention=attention, on_gpu=on_gpu
        ),
        optimizer=_optimizer(config, on_gpu=on_gpu),
        compute="bfloat16" if not on_gpu or torch.cuda.is_bf16_supported() else "float16",
        packing=_packing(config, attention),
        liger_kernel=_liger_kernel(config, on_gpu=on_gpu),
    )


def free_memory() -> int:
    """Bytes this process may still take: what the machine has left, or the container's limit if that is less."""
    import psutil

    available = int(psutil.virtual_memory().available)
    limit = CGROUP_LIMIT.read_text(encoding="ascii").strip() if CGROUP_LIMIT.is_file() else "max"
    return available if limit == "max" else min(available, int(limit) - psutil.Process().memory_info().rss)


def _is_fast(config: Training, architecture: Any, processes: int, *, on_gpu: bool) -> bool:
    # Threads would draw the masks of a dropout from one generator, in whatever order they come.
    adapters = config.method != "full" and not config.lora_dropout
    shared_out = processes > 1 and config.objective != "sft"  # our preference steps look at the whole batch
    possible = not on_gpu and adapters and not shared_out and _is_fusable(architecture)
    unforced = config.attention in {"auto", PER_DOCUMENT} and config.packing is not True
    if config.step == "fused" and not (possible and unforced):
        raise TrainingError(
            "training.step: fused is for adapters without dropout on a CPU, with its own attention, and for models of "
            f"the kinds {', '.join(sorted(FUSED_ARCHITECTURES))} without a window or dropout; set `step: auto`"
        )
    return possible and unforced and config.step != "trl"


def _is_fusable(architecture: Any) -> bool:
    if getattr(architecture, "attention_dropout", 0):
        return False
    windowed = getattr(architecture, "use_sliding_window", True) and getattr(architecture, "sliding_window", None)
    return architecture.model_type in FUSED_ARCHITECTURES and not windowed and architecture.hidden_act == "silu"


def _attention(config: Training, *, fast: bool, on_gpu: bool) -> str:
    flash = on_gpu and find_spec("flash_attn") is not None
    if config.attention == FLASH and not flash:
        raise TrainingError("training.attention: flash_attention_2 needs a GPU and the package flash-attn; set `auto`")
    if config.attention != "auto":
        return config.attention
    if fast:
        return PER_DOCUMENT
    return FLASH if flash else "sdpa"


def _packing(config: Training, attention: str) -> bool:
    """Rows that share a sequence must not see each other, and only FlashAttention keeps them apart at full speed."""
    if config.packing is True and attention != FLASH:
        raise TrainingError(
            "training.packing: true needs FlashAttention, which keeps the packed rows apart; set `auto`"
        )
    return attention == FLASH and config.objective == "sft" and config.packing is not False


def _liger_kernel(config: Training, *, on_gpu: bool) -> bool:
    possible = on_gpu and find_spec("liger_kernel") is not None
    if config.liger_kernel is True and not possible:
        raise TrainingError("training.liger_kernel: true needs a GPU and the package liger-kernel; set `auto`")
    return possible and config.liger_kernel is not False


def _base_weights(config: Training, architecture: Any, *, on_gpu: bool) -> Literal["packed", "dequantised", "plain"]:
    if config.method != "qlora":
        return "plain"
    if config.base_weights != "auto":
        return config.base_weights
    fits = 2 * sizes_of(architecture).parameters < MEMORY_SHARE * free_memory()
    return "dequantised" if fits and not on_gpu else "packed"


def _checkpointing(
    config: Training, architecture: Any, tokens_per_batch: int, *, fast: bool, attention: str, on_gpu: bool
) -> bool:
    if config.gradient_checkpointing != "auto":
        return config.gradient_checkpointing
    step = Step(
        config=config,
        on_gpu=on_gpu,
        fused=fast,
        attention=attention,
        packed=False,
        checkpointing=False,
        optimizer="",
        row_tokens=tokens_per_batch / config.batch_size,
    )
    return on_gpu or activation_bytes(sizes_of(architecture), step, tokens_per_batch) > MEMORY_SHARE * free_memory()


def _optimizer(config: Training, *, on_gpu: bool) -> str:
    if config.optimizer != "auto":
        return config.optimizer
    return "paged_adamw_8bit" if on_gpu else "adamw_torch"
