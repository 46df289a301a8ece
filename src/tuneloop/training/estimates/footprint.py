"""How much memory a training step takes, part by part, from sizes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tuneloop.recipes import Training
from tuneloop.training.estimates.sizes import Sizes

NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8
"""Per weight: 4 bits, an 8-bit scale per 64 weights, a float32 scale per 256 of those (Dettmers et al. 2023, 3)."""

BF16, FLOAT32 = 2, 4
FUSED_TILE_ROWS = 256
TRL_TILE_ROWS, TRL_TILE_WORDS = 4096, 32768
"""Positions and vocabulary entries whose scores exist at one time: `fused.LOSS_CHUNK`, and TRL's fused head."""

GPU_RUNTIME_BYTES = 0.9e9
"""CUDA context, cuBLAS and bitsandbytes workspaces."""

CPU_RUNTIME_BYTES = 0.93e9
"""Python, the libraries and their buffers: what was left of one measured run when all other parts were taken off."""

Logits = Literal["in parts", "whole"]


@dataclass(frozen=True, slots=True)
class Step:
    """What of a plan decides about memory and time.

    `row_tokens` is the length of a long row, `threads` those that hold gradients of their own. `logits` is `whole`
    only for comparison with trainers that hold them for all positions at once: neither ours nor TRL's does.
    """

    config: Training
    on_gpu: bool
    fused: bool
    attention: str
    packed: bool
    checkpointing: bool
    optimizer: str
    row_tokens: float
    threads: int = 1
    processes: int = 1
    sharded: bool = False
    logits: Logits = "in parts"

    @property
    def full(self) -> bool:
        return self.config.method == "full"

    @property
    def number_bytes(self) -> int:
        """Of one activation."""
        return FLOAT32 if self.full and not self.on_gpu else BF16

    @property
    def adapter_bytes(self) -> int:
        """TRL makes the adapters of an NF4 model bf16; on a CPU they are made float32 again."""
        return BF16 if self.on_gpu and self.config.method == "qlora" else FLOAT32


def training_bytes(sizes: Sizes, step: Step, tokens: float) -> dict[str, float]:
    """Part -> bytes while training on batches of up to `tokens` tokens; of one process."""
    trained = sizes.parameters if step.full else sizes.adapter_parameters(step.config)
    shares = step.processes if step.sharded else 1
    gradients = trained * step.adapter_bytes * (step.threads if step.fused else 1)
    return {
        "runtime": GPU_RUNTIME_BYTES if step.on_gpu else CPU_RUNTIME_BYTES,
        "base weights": weight_bytes(sizes, step) / shares + _gathered_bytes(sizes, step),
        "adapters": 0.0 if step.full else trained * step.adapter_bytes / shares,
        "gradients": gradients / shares,
        "optimiser": trained * optimizer_bytes(step) / shares,
        "activations": activation_bytes(sizes, step, tokens),
        "logits": logit_bytes(sizes, step, tokens),
    }


def weight_bytes(sizes: Sizes, step: Step) -> float:
    """Of the base as it lies in memory; only what is a linear layer outside the head is ever NF4."""
    if step.full:
        return FLOAT32 * sizes.parameters
    quantised = sizes.linear_parameters if step.packed else 0
    return NF4_BYTES * quantised + BF16 * (sizes.parameters - quantised)


def activation_bytes(sizes: Sizes, step: Step, tokens: float) -> float:
    """What the backward pass needs of the forward one, and the gradients that flow meanwhile.

    With checkpointing only the input of each block is kept, and one block at a time is computed again.
    """
    stream = step.number_bytes * sizes.hidden
    flowing = step.number_bytes * (2 * sizes.inner + 2 * sizes.hidden)
    kept = kept_bytes_per_token(sizes, step)
    blocks = sizes.layers * stream + kept if step.checkpointing else sizes.layers * kept
    return tokens * (blocks + stream + flowing)


def kept_bytes_per_token(sizes: Sizes, step: Step) -> float:
    """Of one block of the model, read off what autograd saves there.

    Our layers keep each stage once and compute norms and gates again. Transformers' keep a float32 copy of what goes
    into a norm, what comes out of it, and four vectors of the MLP's inner width.
    """
    number, scores = step.number_bytes, _score_bytes(sizes, step)
    if step.fused:
        return number * (2 * sizes.hidden + 2 * sizes.query + sizes.key_value + 2 * sizes.inner) + scores
    norms = 2 * sizes.hidden * (number + FLOAT32)
    mixing = number * (2 * sizes.query + sizes.key_value + 4 * sizes.inner)
    return norms + mixing + scores + _adapter_input_bytes(sizes, step)


def logit_bytes(sizes: Sizes, step: Step, tokens: float) -> float:
    """Scores over the vocabulary, bf16 with float32 copies: of a tile, which is all that our head or TRL's makes."""
    if step.logits == "whole":
        return tokens * sizes.vocabulary * (BF16 + 3 * FLOAT32)
    if step.fused:
        return min(tokens, FUSED_TILE_ROWS * step.threads) * sizes.vocabulary * 2 * BF16
    copies = 0 if step.on_gpu else 3 * FLOAT32  # on a GPU one kernel reads the tile where it lies
    return min(tokens, TRL_TILE_ROWS) * TRL_TILE_WORDS * (BF16 + copies)


def optimizer_bytes(step: Step) -> float:
    """Per trained parameter; AdamW's two states have the parameter's type, or 8 bits and a scale per 256."""
    if "8bit" in step.optimizer:
        return 2 * (1 + 4 / 256)
    if step.optimizer in {"sgd", "adafactor"}:
        return 0.0
    return 2.0 * (FLOAT32 if step.full else step.adapter_bytes)


def _gathered_bytes(sizes: Sizes, step: Step) -> float:
    """Sharded weights are put together for use: the embeddings, the head, and two blocks, this one and the next."""
    if not step.sharded:
        return 0.0
    blocks = 2 * sizes.linear_parameters / sizes.layers * (NF4_BYTES if step.packed else BF16)
    return blocks + BF16 * (sizes.parameters - sizes.linear_parameters - sizes.expert_parameters)


def _score_bytes(sizes: Sizes, step: Step) -> float:
    """Attention weights, per token; the flash kernels behind `sdpa` and `flash_attention_2` never hold them."""
    if step.attention == "eager":
        return sizes.heads * step.row_tokens * (BF16 + FLOAT32)
    are_kept = step.attention == "per_document" and step.row_tokens <= LONGEST_KEPT_ROW
    return step.number_bytes * sizes.heads * _seen_per_token(step.row_tokens) if are_kept else 0.0


LONGEST_KEPT_ROW, BLOCK, TILE = 1024, 256, 64
"""As in `fast.attention`, which imports torch: of longer rows the weights are computed again."""


def _seen_per_token(row_tokens: float) -> float:
    """Keys whose weights a token has: a block of queries sees all before its own end, and tiles are whole."""
    tokens = math.ceil(row_tokens / TILE) * TILE
    ends = [min(start + BLOCK, tokens) for start in range(0, tokens, BLOCK)]
    return sum((end - start) * end for start, end in zip([0, *ends], ends, strict=False)) / row_tokens


def _adapter_input_bytes(sizes: Sizes, step: Step) -> float:
    """LoRA's inputs that are not kept anyway: a dropped-out copy with its mask, and PEFT's float32 copy on a CPU."""
    if step.full:
        return 0.0
    adapted = sizes.adapted(step.config)
    inputs = sum(one.inputs for one in adapted) / sizes.layers
    copies = (step.number_bytes + 1) * inputs if step.config.lora_dropout else 0.0
    if not step.fused and not step.on_gpu:
        copies += FLOAT32 * inputs
    return copies + step.adapter_bytes * step.config.lora_rank * sum(one.count for one in adapted) / sizes.layers
