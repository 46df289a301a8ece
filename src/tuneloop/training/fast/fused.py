"""Parts of a Llama-like model rewritten for training on a CPU: the same numbers with fewer passes over memory.

Nothing here holds parameters: the modules keep theirs, only the `forward` of whole decoder layers is replaced, and only
for calls that bring row borders (`cu_seq_lens_q`) and no cache. Generation takes the way it always took.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch.nn.functional import pad

from tuneloop.training.fast.attention import TILE, rows_of
from tuneloop.training.fast.decoder_layers import KNOWN, Batch, FusedLayer

LOSS_CHUNK = 256
"""Labelled positions whose logits exist at one time."""

LEAST_SHARE = 1e-38
"""Of probability, in float32: a token's loss ends at 87."""


def fuse(model: torch.nn.Module) -> dict[str, int]:
    """Replace the forward of every decoder layer that is known to compute what ours does; returns how many."""
    layers = [module for module in model.modules() if _is_fusable(module)]
    for layer in layers:
        layer.forward = partial(_forward, FusedLayer(layer), layer.forward)
    return {"layers": len(layers)}


def linear_cross_entropy(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of `hidden` (n, dim) @ `head` (vocabulary, dim)^T against `targets` (n,), in float32.

    The logits exist for `LOSS_CHUNK` rows at a time, and the gradient for `hidden` is ready after the forward.
    `head` gets none: use it with a frozen head.
    """
    output: torch.Tensor = _LinearCrossEntropy.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return output


def _forward(fused: FusedLayer, plain: Callable[..., Any], hidden_states: torch.Tensor, **rest: Any) -> Any:
    rows = rows_of(rest)
    if rows is None or rest.get("past_key_values") is not None:
        return plain(hidden_states, **rest)
    cos, sin = (table[0] for table in rest["position_embeddings"])
    batch = Batch(rows, cos, sin, rest.get("kept_tokens") if fused.is_last else None)
    return fused(hidden_states[0], batch)[None]


def _is_fusable(layer: Any) -> bool:
    if type(layer).__name__ not in KNOWN:
        return False
    attention, mlp = layer.self_attn, layer.mlp
    linear = [attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj]
    linear += [mlp.gate_proj, mlp.up_proj, mlp.down_proj]
    norms = [layer.input_layernorm, layer.post_attention_layernorm]
    norms += [getattr(attention, name) for name in ("q_norm", "k_norm") if hasattr(attention, name)]
    return (
        all(_is_plain(module) for module in linear)
        and not any(norm.weight.requires_grad for norm in norms)
        and not attention.attention_dropout
        and getattr(attention, "sliding_window", None) is None
        and mlp.config.hidden_act == "silu"
    )


def _is_plain(module: Any) -> bool:
    """A frozen linear layer, by itself or with one LoRA adapter and none of the variants our formula leaves out."""
    from peft.tuners.lora import LoraLayer

    base = module
    if isinstance(module, LoraLayer):
        base = module.get_base_layer()
        no_dropout = list(module.lora_A) == ["default"] and isinstance(
            module.lora_dropout["default"], torch.nn.Identity
        )
        if not no_dropout or module.use_dora.get("default") or module.lora_B["default"].bias is not None:
            return False
    return isinstance(base, torch.nn.Linear) and not base.weight.requires_grad


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total, rows = hidden.new_zeros((), dtype=torch.float32), pad(hidden, (0, 0, 0, -len(hidden) % TILE))
        gradient = torch.empty_like(rows)
        space = rows.new_empty(min(LOSS_CHUNK, len(rows)), len(head))  # one for all chunks: page faults cost
        for start in range(0, len(rows), LOSS_CHUNK):
            wanted = targets[start : start + LOSS_CHUNK, None]
            part = rows[start : start + LOSS_CHUNK]
            logits = torch.mm(part, head.t(), out=space[: len(part)])
            total += _loss_into_gradient(logits[: len(wanted)], wanted)
            torch.mm(logits, head, out=gradient[start : start + LOSS_CHUNK])
        gradient = gradient[: len(hidden)]
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return ctx.saved_tensors[0] * gradients[0].to(ctx.saved_tensors[0].dtype), None, None


def _loss_into_gradient(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of `logits` (n, vocabulary) against `wanted` (n, 1); its gradient replaces the logits."""
    shares = torch.softmax(logits, -1, out=logits)
    hit = shares.gather(1, wanted).float()
    # In bf16 a share near one is a coarse number, the sum of all others is not.
    missed = shares.scatter_(1, wanted, 0.0).sum(-1, keepdim=True, dtype=torch.float32)
    is_near = missed < 0.5  # noqa: PLR2004
    shares.scatter_(1, wanted, -torch.where(is_near, missed, 1 - hit).to(shares.dtype))
    return -torch.where(is_near, torch.log1p(-missed.clamp(max=0.5)), hit.clamp_min(LEAST_SHARE).log()).sum()
