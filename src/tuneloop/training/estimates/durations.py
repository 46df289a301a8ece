"""How long a training takes: operations by the processor's rate and the share of it that training reaches."""

from __future__ import annotations

from dataclasses import dataclass

from tuneloop.training.estimates.footprint import BF16, NF4_BYTES, Step
from tuneloop.training.estimates.hardware import Hardware
from tuneloop.training.estimates.sizes import Sizes

LABELLED_SHARE = 0.5
"""Of the tokens, those that carry loss, where the head looks at no others."""

CPU_UTILISATION = {("fused", False): 0.22, ("fused", True): 0.18, ("trl", False): 0.05, ("trl", True): 0.04}
"""(step, packed) -> share of the measured matmul rate. The first was seen with the bundled 135M model, the others are
scaled from it by the speeds of benchmarks/training.py; runs of one's own correct them (see `past_estimates`)."""

GPU_UTILISATION = {"older": 0.50, "hopper": 0.33}
"""Share of the dense bf16 rate, recomputation counted as work. Of Answer.AI's FSDP-QLoRA runs of March 2024: 7B on
RTX 4090 56 %, 70B on A100 42-55 %, 70B on H100 33 %; Qwen-7B LoRA on A100 by its authors 43 %. docs/estimates.md."""

NEW_GPUS = ("h100", "h200", "b200")
CPU_START_SECONDS, GPU_START_SECONDS = 12.0, 60.0
MERGED_BYTES_PER_SECOND = 0.04e9
"""Of bf16 weights that are loaded, merged, written, read back, compared and hashed; seen once, at 135M on a CPU."""


@dataclass(frozen=True, slots=True)
class Work:
    """Rows that are trained on `epochs` times, and those whose loss is measured `evaluations` times."""

    rows: int
    mean_tokens: float
    epochs: float
    validation_rows: int = 0
    evaluations: float = 0.0

    @property
    def tokens(self) -> float:
        return self.rows * self.mean_tokens * self.epochs

    @property
    def validation_tokens(self) -> float:
        return self.validation_rows * self.mean_tokens * self.evaluations


def training_seconds(sizes: Sizes, step: Step, work: Work, hardware: Hardware) -> dict[str, float]:
    """Part -> seconds: starting, training, evaluating, merging. The rows of a batch are dealt out to the processes."""
    rate = hardware.flops * utilisation(step, hardware) * step.processes
    forward = forward_flops(sizes, step, work.mean_tokens)
    batches = work.rows * work.epochs / step.config.batch_size  # of all processes together, each does its share
    unpacking = batches * (3 if step.checkpointing else 2) * _unpack_bytes(sizes, step) / hardware.bytes_per_second
    return {
        "starting": GPU_START_SECONDS if step.on_gpu else CPU_START_SECONDS,
        "training": work.tokens * step_flops(sizes, step, work.mean_tokens) / rate + unpacking,
        "evaluating": work.validation_tokens * forward / rate,
        "merging": 0.0 if step.full else BF16 * sizes.parameters / MERGED_BYTES_PER_SECOND,
    }


def utilisation(step: Step, hardware: Hardware) -> float:
    """The share of `hardware.flops` that this step is taken to reach."""
    if step.on_gpu:
        new = any(name in hardware.name.lower() for name in NEW_GPUS)
        return GPU_UTILISATION["hopper" if new else "older"]
    return CPU_UTILISATION[("fused" if step.fused else "trl", step.packed)]


def step_flops(sizes: Sizes, step: Step, row_tokens: float) -> float:
    """Operations per token, forward and backward.

    A frozen weight costs 2 per parameter forward and 2 backward (no gradient of its own), a trained one 6;
    checkpointing does the forward of the blocks twice, and TRL's head its own. DPO and KTO add the reference's forward.
    """
    passes = 3 if step.checkpointing else 2
    backward = 4 if step.full else 2
    blocks = sizes.active_parameters * (2 * (passes - 1) + backward)
    adapters = 0.0 if step.full else sizes.adapter_parameters(step.config) * (2 * (passes - 1) + 4)
    scores = _score_flops(sizes, step, row_tokens) * (passes - 1 + 2)
    head = _head_flops(sizes, step) * (2 if step.fused else 3)
    reference = forward_flops(sizes, step, row_tokens) if step.config.objective in {"dpo", "kto"} else 0.0
    return blocks + adapters + scores + head + reference


def forward_flops(sizes: Sizes, step: Step, row_tokens: float) -> float:
    """Operations per token without a backward pass."""
    return 2 * sizes.active_parameters + _score_flops(sizes, step, row_tokens) + _head_flops(sizes, step)


def _score_flops(sizes: Sizes, step: Step, row_tokens: float) -> float:
    """Two products over the row's tokens; kernels that know of causality do half of each."""
    half = 0.5 if step.attention in {"sdpa", "flash_attention_2"} else 1.0
    return half * 4 * row_tokens * sizes.query * sizes.layers


def _head_flops(sizes: Sizes, step: Step) -> float:
    only_labelled = step.fused or step.on_gpu
    return 2 * sizes.hidden * sizes.vocabulary * (LABELLED_SHARE if only_labelled else 1.0)


def _unpack_bytes(sizes: Sizes, step: Step) -> float:
    """NF4 weights are read, written as bf16 and read again, at every pass over every batch."""
    if not (step.packed and step.on_gpu):
        return 0.0  # on a CPU it is part of the measured utilisation
    return sizes.linear_parameters * (NF4_BYTES + 2 * BF16)
