"""What every `auto` of the recipe becomes on this machine, decided once and written into the report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tuneloop.recipes import Training

FUSED_ARCHITECTURES = {"llama", "mistral", "qwen2", "qwen3", "smollm3"}
"""Models that compute exactly what `fused` and `attention` rewrite (no soft-capping, no scaled logits)."""

MEMORY_SHARE = 0.5
"""Of the free memory, what one training run may plan to use."""

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Plan:
    """`fast` is our own CPU step; without it TRL's runs. `threads` are CPU threads, one lane each in the fast step."""

    device: Literal["cpu", "cuda"]
    fast: bool
    threads: int
    attention: str
    base_weights: Literal["packed", "dequantised", "plain"]
    gradient_checkpointing: bool
    optimizer: str

    def as_text(self) -> dict[str, str]:
        return {
            "device": self.device,
            "step": "fused lanes" if self.fast else "trl",
            "threads": str(self.threads),
            "attention": self.attention,
            "base_weights": self.base_weights,
            "optimizer": self.optimizer,
            "gradient_checkpointing": "on" if self.gradient_checkpointing else "off",
        }


def make_plan(config: Training, architecture: Any, threads: int | None, tokens_per_batch: int) -> Plan:
    """Decide for this machine.

    Args:
        config: the recipe's training section.
        architecture: the model's transformers configuration.
        threads: CPU threads, or None for one per core we may use.
        tokens_per_batch: of the largest batch, for the estimate of activations.
    """
    import torch

    on_gpu = torch.cuda.is_available()
    fast = not on_gpu and config.method != "full" and _is_fusable(architecture)
    return Plan(
        device="cuda" if on_gpu else "cpu",
        fast=fast,
        threads=threads or len(os.sched_getaffinity(0)),
        attention=_attention(fast=fast, on_gpu=on_gpu),
        base_weights=_base_weights(config, architecture, on_gpu=on_gpu),
        gradient_checkpointing=_checkpointing(config, architecture, tokens_per_batch, on_gpu=on_gpu),
        optimizer=_optimizer(config, on_gpu=on_gpu),
    )


def free_memory() -> int:
    """Bytes this process may still take: what the machine has left, or the container's limit if that is less."""
    import psutil

    available = int(psutil.virtual_memory().available)
    limit = CGROUP_LIMIT.read_text(encoding="ascii").strip() if CGROUP_LIMIT.is_file() else "max"
    return available if limit == "max" else min(available, int(limit) - psutil.Process().memory_info().rss)


def weight_count(architecture: Any) -> int:
    """Parameters of the model, from its configuration alone."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(architecture).num_parameters())


def _is_fusable(architecture: Any) -> bool:
    windowed = getattr(architecture, "use_sliding_window", True) and getattr(architecture, "sliding_window", None)
    return architecture.model_type in FUSED_ARCHITECTURES and not windowed and architecture.hidden_act == "silu"


def _attention(*, fast: bool, on_gpu: bool) -> str:
    if fast:
        return "per_document"
    return "flash_attention_2" if on_gpu and find_spec("flash_attn") else "sdpa"


def _base_weights(config: Training, architecture: Any, *, on_gpu: bool) -> Literal["packed", "dequantised", "plain"]:
    if config.method != "qlora":
        return "plain"
    if config.base_weights != "auto":
        return config.base_weights
    fits = 2 * weight_count(architecture) < MEMORY_SHARE * free_memory()
    return "dequantised" if fits and not on_gpu else "packed"


def _checkpointing(config: Training, architecture: Any, tokens_per_batch: int, *, on_gpu: bool) -> bool:
    if config.gradient_checkpointing != "auto":
        return config.gradient_checkpointing
    # per token and layer, in bf16: about 16 vectors of the hidden width and 5 of the inner one are kept for backward
    widths = 16 * architecture.hidden_size + 5 * architecture.intermediate_size
    activations = 2 * tokens_per_batch * architecture.num_hidden_layers * widths
    return on_gpu or activations > MEMORY_SHARE * free_memory()


def _optimizer(config: Training, *, on_gpu: bool) -> str:
    if config.optimizer != "auto":
        return config.optimizer
    return "paged_adamw_8bit" if on_gpu else "adamw_torch"
