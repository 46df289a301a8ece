"""A whole layer of a Llama-like model as one function with a hand-written backward.

The matrix products of a 135M model run near the processor's bf16 rate; what costs are the element-wise steps between
them, each a pass over megabytes, and what autograd keeps for them. Here the three projections of attention are one
product and the gate's two another, residuals are added inside the products, and norms and the gate are computed again
in the backward instead of being kept.

n: tokens; names beginning with d_ are gradients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad, silu

from tuneloop.training.fast.attention import TILE, Row, attend, attend_backward
from tuneloop.training.fast.projections import Projections

KNOWN = {f"{family}DecoderLayer" for family in ("Llama", "Mistral", "Qwen2", "Qwen3", "SmolLM3")}


@dataclass(frozen=True, slots=True)
class Batch:
    """`cos` and `sin` are (n, dim) rotary tables. With `kept` (indices) only these tokens leave the layer."""

    rows: Sequence[Row]
    cos: torch.Tensor
    sin: torch.Tensor
    kept: torch.Tensor | None = None


class FusedLayer:
    """The parts of one decoder layer, grouped by what reads the same input."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.into_attention = Projections([attention.q_proj, attention.k_proj, attention.v_proj])
        self.out_of_attention = Projections([attention.o_proj])
        self.into_mlp = Projections([mlp.gate_proj, mlp.up_proj])
        self.out_of_mlp = Projections([mlp.down_proj])
        self.norms = layer.input_layernorm, layer.post_attention_layernorm
        self.head_norms = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
        self.rotates = bool(getattr(attention, "use_rope", True))
        self.dim = int(attention.head_dim)
        self.heads_per_group = int(attention.num_key_value_groups)
        self.groups = attention.config.num_key_value_heads
        self.scale = float(attention.scaling)
        self.is_last = attention.layer_idx == attention.config.num_hidden_layers - 1

    def __call__(self, x: torch.Tensor, batch: Batch) -> torch.Tensor:
        groups = (self.into_attention, self.out_of_attention, self.into_mlp, self.out_of_mlp)
        adapters = [adapter for group in groups for adapter in group.adapters]
        output: torch.Tensor = _Layer.apply(x, self, batch, *adapters)  # type: ignore[no-untyped-call]
        return output

    def split(self, qkv: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Views of the projections' output: q (groups, n, heads per group, dim), k and v (groups, n, dim)."""
        keys = self.groups * self.dim
        queries = keys * self.heads_per_group
        k, v = (qkv[:, start : start + keys].view(-1, self.groups, self.dim) for start in (queries, queries + keys))
        return self.by_group(qkv), k.transpose(0, 1), v.transpose(0, 1)

    def by_group(self, heads: torch.Tensor) -> torch.Tensor:
        """View of (n, heads * dim and perhaps more) as (groups, n, heads per group, dim)."""
        heads = heads[:, : self.groups * self.heads_per_group * self.dim]
        return heads.view(-1, self.groups, self.heads_per_group, self.dim).transpose(0, 1)


class _Layer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, layer: FusedLayer, batch: Batch, *_: torch.Tensor) -> torch.Tensor:
        normed = layer.into_attention.input(len(x))
        scales = normalise(x, layer.norms[0], normed[:, : x.shape[1]])
        raw = layer.into_attention.forward(normed)
        q, k, v = _for_attention(layer, raw, batch)
        attended, weights = attend(q, k, v, batch.rows)
        mixed = layer.out_of_attention.input(len(x))
        layer.by_group(mixed).copy_(attended)
        ctx.kept = None if batch.kept is None else _filled(batch.kept)
        kept_x = x
        if ctx.kept is not None:
            kept_x, mixed = x[ctx.kept], mixed[ctx.kept]
        middle = layer.out_of_attention.forward(mixed, kept_x)
        normed = layer.into_mlp.input(len(middle))
        middle_scales = normalise(middle, layer.norms[1], normed[:, : x.shape[1]])
        both = layer.into_mlp.forward(normed)
        output = layer.out_of_mlp.forward(_gated(layer, both)[0], middle)
        kept_raw = raw if any(layer.head_norms) else None
        ctx.save_for_backward(x, scales, kept_raw, q, k, v, mixed, middle, middle_scales, both)
        ctx.weights, ctx.layer, ctx.batch = weights, layer, batch
        return output if batch.kept is None else output[: len(batch.kept)]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[Any, ...]:
        layer, batch, d_output = ctx.layer, ctx.batch, gradients[0]
        x, scales, raw, q, k, v, mixed, middle, middle_scales, both = ctx.saved_tensors
        if ctx.kept is not None:
            d_output = pad(d_output, (0, 0, 0, len(ctx.kept) - len(d_output)))
        opened_up, opened = _gated(layer, both)
        layer.out_of_mlp.reduce(opened_up)
        d_gated, d_down = layer.out_of_mlp.backward(d_output, opened_up)
        d_both = _gated_backward(d_gated, both, opened)
        normed = _normed_input(layer.into_mlp, middle, layer.norms[1], middle_scales)
        d_normed, d_gate = layer.into_mlp.backward(d_both, normed)
        d_middle = normalise_backward(d_normed, middle, layer.norms[1], middle_scales, d_output)
        d_mixed, d_out = layer.out_of_attention.backward(d_middle, mixed)
        if ctx.kept is not None:
            d_mixed, d_middle = (_scattered(d, ctx.kept, len(x)) for d in (d_mixed, d_middle))
        d_qkv = attend_backward(layer.by_group(d_mixed).contiguous(), q, k, v, ctx.weights, batch.rows)
        d_raw = _for_attention_backward(layer, d_qkv, raw, batch)
        normed = _normed_input(layer.into_attention, x, layer.norms[0], scales)
        d_normed, d_in = layer.into_attention.backward(d_raw, normed)
        d_x = normalise_backward(d_normed, x, layer.norms[0], scales, d_middle) if ctx.needs_input_grad[0] else None
        return d_x, None, None, *d_in, *d_out, *d_gate, *d_down


def normalise(x: torch.Tensor, norm: Any, out: torch.Tensor) -> torch.Tensor:
    """Root-mean-square norm (Zhang and Sennrich 2019) over the last dimension into `out`; returns 1 / rms, float32."""
    scales: torch.Tensor = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    scales.square_().div_(x.shape[-1]).add_(norm.variance_epsilon).rsqrt_()
    _scaled(x, norm, scales, out)
    return scales


def normalise_backward(
    d_y: torch.Tensor, x: torch.Tensor, norm: Any, scales: torch.Tensor, d_beside: torch.Tensor
) -> torch.Tensor:
    """The gradient of x, added to the one that goes round the norm."""
    d_scaled = d_y * norm.weight
    along = (d_scaled * x).sum(-1, keepdim=True, dtype=torch.float32)
    pull = along.mul_(scales.pow(3)).div_(-x.shape[-1]).to(x.dtype)
    return torch.addcmul(d_beside, d_scaled, scales.to(x.dtype)).addcmul_(x, pull)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, out: torch.Tensor) -> None:
    """Rotary position embedding (Su et al. 2021) of (..., dim) into `out`; with -sin its backward.

    The tables hold each angle twice, for the two halves of `dim` that are turned into each other.
    """
    (first, second), (out_first, out_second) = x.chunk(2, -1), out.chunk(2, -1)
    cos, sin = cos.chunk(2, -1)[0], sin.chunk(2, -1)[0]
    torch.mul(first, cos, out=out_first).addcmul_(second, sin, value=-1)
    torch.mul(second, cos, out=out_second).addcmul_(first, sin)


def _scaled(x: torch.Tensor, norm: Any, scales: torch.Tensor, out: torch.Tensor) -> None:
    out.copy_(x.to(torch.float32, copy=True).mul_(scales).mul_(norm.weight))


def _normed_input(group: Projections, x: torch.Tensor, norm: Any, scales: torch.Tensor) -> torch.Tensor:
    normed = group.input(len(x))
    _scaled(x, norm, scales, normed[:, : x.shape[1]])
    group.reduce(normed)
    return normed


def _for_attention(
    layer: FusedLayer, raw: torch.Tensor, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `attend` takes: q normed, turned and scaled, k normed and turned, and v, each contiguous."""
    *turned, v = layer.split(raw)
    tables = _tables(layer, batch)
    q, k = (_turned(part, norm, *table) for part, norm, table in zip(turned, layer.head_norms, tables, strict=True))
    return q, k, v.contiguous()


def _for_attention_backward(
    layer: FusedLayer, d_qkv: tuple[torch.Tensor, torch.Tensor, torch.Tensor], raw: torch.Tensor | None, batch: Batch
) -> torch.Tensor:
    d_raw = d_qkv[0].new_empty(d_qkv[0].shape[1], layer.groups * (layer.heads_per_group + 2) * layer.dim)
    targets = layer.split(d_raw)
    targets[2].copy_(d_qkv[2])
    for part, (cos, sin) in enumerate(_tables(layer, batch)):
        target, norm = targets[part], layer.head_norms[part]
        rotate(d_qkv[part], cos, -sin, target)
        if norm is not None and raw is not None:
            x = layer.split(raw)[part]
            scales = normalise(x, norm, torch.empty_like(x))
            target.copy_(normalise_backward(target, x, norm, scales, torch.zeros_like(x)))
    return d_raw


def _turned(x: torch.Tensor, norm: Any, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    if norm is not None:
        normed = torch.empty_like(x)
        normalise(x, norm, normed)
        x = normed
    out = x.new_empty(x.shape)
    rotate(x, cos, sin, out)
    return out


def _tables(layer: FusedLayer, batch: Batch) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Cosines and sines for q, which they scale too, and for k. Some layers of SmolLM3 turn nothing."""
    cos, sin = batch.cos, batch.sin
    if not layer.rotates:
        cos, sin = torch.ones_like(cos), torch.zeros_like(sin)
    return ((cos * layer.scale)[:, None], (sin * layer.scale)[:, None]), (cos, sin)


def _gated(layer: FusedLayer, both: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """silu(gate) * up, as input of the last projection, and silu(gate) (SwiGLU, Shazeer 2020)."""
    gate, up = both.chunk(2, 1)
    opened, product = silu(gate), layer.out_of_mlp.input(len(both))
    torch.mul(opened, up, out=product[:, : up.shape[1]])
    return product, opened


def _gated_backward(d_gated: torch.Tensor, both: torch.Tensor, opened: torch.Tensor) -> torch.Tensor:
    gate, up = both.chunk(2, 1)
    d_both = torch.empty_like(both)
    d_gate, d_up = d_both.chunk(2, 1)
    torch.mul(d_gated, opened, out=d_up)
    torch.ops.aten.silu_backward.grad_input(d_gated.mul_(up), gate, grad_input=d_gate)
    return d_both


def _filled(kept: torch.Tensor) -> torch.Tensor:
    """`kept` and the first token as often as makes whole tiles; nothing comes back from what is added."""
    return pad(kept, (0, -len(kept) % TILE))


def _scattered(d_kept: torch.Tensor, kept: torch.Tensor, tokens: int) -> torch.Tensor:
    return d_kept.new_zeros(tokens, d_kept.shape[1]).index_add_(0, kept, d_kept)
