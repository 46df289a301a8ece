"""Causal attention for batches without padding: rows lie end to end in one sequence, each attends to itself alone.

Registered with transformers under `NAME`. On CPU torch has no variable-length kernel, and a mask over the whole batch
would cost the square of its total length; one small call per row costs the sum of the squares. Short rows take plain
matrix products with a hand-written backward: measured 2.3x faster than torch's flash kernel at 220 tokens in bf16,
even at 600, slower above.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "per_document"
LONGEST_PLAIN_ROW = 600


def register() -> None:
    """Make `attn_implementation="per_document"` known to transformers; repeating it is harmless."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, attend_per_document)
    AttentionMaskInterface.register(NAME, _no_mask)


def attend_per_document(
    module: Any,  # noqa: ARG001 the signature is transformers'
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,  # noqa: ARG001
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    shared_prefix: bool = False,  # noqa: FBT001, FBT002 transformers passes names
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention output of shape (1, total, heads, dim) from query (1, heads, total, dim), key and value.

    `cu_seq_lens_q` holds the rows' borders, (rows + 1,) int32; None: one row. With `shared_prefix` the first row is
    how all the others begin, and they attend to it too.
    """
    borders = [0, query.shape[2]] if cu_seq_lens_q is None else cu_seq_lens_q.tolist()
    lengths = [end - start for start, end in pairwise(borders)]
    scale = float(scaling if scaling is not None else query.shape[-1] ** -0.5)
    q_rows, k_rows, v_rows = (list(torch.split(heads[0], lengths, 1)) for heads in (query, key, value))
    if shared_prefix:
        k_rows, v_rows = ([rows[0], *(torch.cat((rows[0], row), 1) for row in rows[1:])] for rows in (k_rows, v_rows))
    outputs = [_attend(q, k, v, scale, dropout) for q, k, v in zip(q_rows, k_rows, v_rows, strict=True)]
    return torch.cat(outputs, 1).transpose(0, 1)[None], None


def _no_mask(*_: Any, **__: Any) -> None:
    return None


def _attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float, dropout: float) -> torch.Tensor:
    """One row: (heads, length, dim) from q, its last tokens, and from k and v with as many or fewer heads."""
    if k.shape[1] <= LONGEST_PLAIN_ROW and not dropout:
        output: torch.Tensor = _PlainAttention.apply(q, k, v, scale)  # type: ignore[no-untyped-call]
        return output
    whole = q.shape[1] == k.shape[1]
    mask = None if whole else torch.ones(q.shape[1], k.shape[1], dtype=torch.bool).tril(k.shape[1] - q.shape[1])
    grouped = q.shape[0] != k.shape[0]
    return scaled_dot_product_attention(
        q[None], k[None], v[None], mask, is_causal=whole, scale=scale, dropout_p=dropout, enable_gqa=grouped
    )[0]


@cache
def _future(dtype: torch.dtype) -> torch.Tensor:
    """(longest, longest): minus infinity above the diagonal, 0 elsewhere."""
    return torch.full((LONGEST_PLAIN_ROW, LONGEST_PLAIN_ROW), float("-inf"), dtype=dtype).triu_(1)


class _PlainAttention(torch.autograd.Function):
    """softmax(q k^T) v with the heads that share a key laid end to end, so that each product is one batched call."""

    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scale: float) -> torch.Tensor:
        heads, length, dim = q.shape
        groups, seen = k.shape[:2]
        scaled = (q * scale).reshape(groups, -1, dim)
        scores = torch.bmm(scaled, k.transpose(1, 2))
        scores.view(heads, length, seen).add_(_future(q.dtype)[seen - length : seen, :seen])
        weights = torch.softmax(scores, -1)
        ctx.save_for_backward(scaled, k, v, weights)
        ctx.scale = scale
        return torch.bmm(weights, v).view(heads, length, dim)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scaled, k, v, weights = ctx.saved_tensors
        d_out = gradients[0].reshape(scaled.shape)
        d_v = torch.bmm(weights.transpose(1, 2), d_out)
        d_weights = torch.bmm(d_out, v.transpose(1, 2))
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, weights, -1, weights.dtype)  # noqa: SLF001
        d_q = torch.bmm(d_scores, k).mul_(ctx.scale)
        d_k = torch.bmm(d_scores.transpose(1, 2), scaled)
        return d_q.view(gradients[0].shape), d_k, d_v, None
