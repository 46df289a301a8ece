"""Causal attention for batches without padding: rows lie end to end in one sequence, each attends to itself alone.

On CPU torch has no variable-length kernel, and a mask over the whole batch would cost the square of its total length.
So each row is done by itself, `BLOCK` queries at a time against the keys they may see: plain matrix products, with the
heads that share a key laid end to end, and only the last block of scores needs a mask. Measured against torch's own
kernel in bf16: docs/training-speed.md.

Here q is (groups, tokens, heads per group, dim) and already scaled; k and v are (groups, tokens, dim).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import accumulate, pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "per_document"

BLOCK = 256
"""Queries at a time."""

TILE = 64
"""Blocks are filled up to whole ones: oneDNN compiles a kernel for every new shape and keeps it."""

LONGEST_KEPT_ROW = 1024
"""Of longer rows the attention weights are computed again for the backward: they grow with the square of the length."""

Weights = list[torch.Tensor | None]


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens `start` to `end`, which attend to those from `shared_start` to `shared_end` too: how the row begins."""

    start: int
    end: int
    shared_start: int = 0
    shared_end: int = 0

    @property
    def shared(self) -> int:
        return self.shared_end - self.shared_start


def rows_between(borders: Sequence[int], *, shared_prefix: bool = False, offset: int = 0) -> list[Row]:
    """Rows end to end. With `shared_prefix` the first is how all the others begin."""
    first, *others = [Row(start + offset, end + offset) for start, end in pairwise(borders)]
    if shared_prefix:
        others = [replace(row, shared_start=first.start, shared_end=first.end) for row in others]
    return [first, *others]


def rows_of(inputs: Mapping[str, Any]) -> list[Row] | None:
    """The rows that a model's keyword arguments describe, or None.

    `cu_seq_lens_q` (and `shared_prefix`) is for rows end to end,
    `pairs` for a list of such borders, each with a shared beginning, relative to its own first token.
    """
    if inputs.get("pairs") is not None:
        offsets = accumulate((int(borders[-1]) for borders in inputs["pairs"]), initial=0)
        pairs = zip(inputs["pairs"], offsets, strict=False)
        return [row for b, offset in pairs for row in rows_between(b.tolist(), shared_prefix=True, offset=offset)]
    borders = inputs.get("cu_seq_lens_q")
    if borders is None:
        return None
    return rows_between(borders.tolist(), shared_prefix=bool(inputs.get("shared_prefix", False)))


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
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attention output of shape (1, tokens, heads, dim) from query (1, heads, tokens, dim), key and value.

    `rest` says where rows are, see `rows_of`; by default the queries are the last tokens of one row.
    """
    scale = float(scaling if scaling is not None else query.shape[-1] ** -0.5)
    rows = rows_of(rest)
    if rows is None or dropout:
        return _by_mask(query, key, value, rows, scale, dropout), None
    heads, tokens, dim = query.shape[1:]
    q = (query[0] * scale).view(key.shape[1], -1, tokens, dim).transpose(1, 2).contiguous()
    output: torch.Tensor = _Attention.apply(q, key[0], value[0], rows)  # type: ignore[no-untyped-call]
    return output.transpose(0, 1).reshape(1, tokens, heads, dim), None


def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: Sequence[Row]) -> tuple[torch.Tensor, Weights]:
    """(groups, tokens, heads per group, dim) and what `attend_backward` wants back."""
    layout = _lay_out(tuple(rows), q.shape[2])
    asked, keys, values = _padded(q, layout.asking), _padded(k, layout.seen), _padded(v, layout.seen)
    output, kept = torch.empty_like(asked), []
    for block in layout.blocks:
        weights = _weights(asked, keys, block)
        for group in range(len(q)):
            torch.mm(weights[group], values[group, block.seen], out=output[group, block.asking])
        kept.append(weights if block.length <= LONGEST_KEPT_ROW else None)
    return output.view(len(q), -1, *q.shape[2:]).index_select(1, layout.back), kept


def attend_backward(
    d_output: torch.Tensor, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, kept: Weights, rows: Sequence[Row]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Gradients for q, k and v, each of the shape of its own."""
    layout = _lay_out(tuple(rows), q.shape[2])
    asked, keys, values = _padded(q, layout.asking), _padded(k, layout.seen), _padded(v, layout.seen)
    d_out = torch.zeros_like(asked)  # so that what fills up a block has no gradient
    d_out.view(len(q), -1, *q.shape[2:]).index_copy_(1, layout.back, d_output)
    d_asked, d_keys, d_values = torch.empty_like(asked), torch.zeros_like(keys), torch.zeros_like(values)
    for block, weights in zip(layout.blocks, kept, strict=True):
        known = weights if weights is not None else _weights(asked, keys, block)
        d_weights = torch.empty_like(known)
        for group in range(len(q)):
            d_values[group, block.seen].addmm_(known[group].t(), d_out[group, block.asking])
            torch.mm(d_out[group, block.asking], values[group, block.seen].t(), out=d_weights[group])
        d_scores = torch.ops.aten._softmax_backward_data(d_weights, known, -1, known.dtype)  # noqa: SLF001
        for group in range(len(q)):
            torch.mm(d_scores[group], keys[group, block.seen], out=d_asked[group, block.asking])
            d_keys[group, block.seen].addmm_(d_scores[group].t(), asked[group, block.asking])
    d_q = d_asked.view(len(q), -1, *q.shape[2:]).index_select(1, layout.back)
    d_k, d_v = (torch.zeros_like(t).index_add_(1, layout.seen, d) for t, d in ((k, d_keys), (v, d_values)))
    return d_q, d_k, d_v


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
        output, ctx.kept = attend(q, k, v, rows)
        ctx.save_for_backward(q, k, v)
        ctx.rows = rows
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        q, k, v = ctx.saved_tensors
        return *attend_backward(gradients[0].contiguous(), q, k, v, ctx.kept, ctx.rows), None


def _no_mask(*_: Any, **__: Any) -> None:
    return None


def _by_mask(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    rows: Sequence[Row] | None,
    scale: float,
    dropout: float,
) -> torch.Tensor:
    """What the fast way leaves out, attention dropout and keys from a cache, by torch's kernel and one mask."""
    asked, seen = query.shape[2], key.shape[2]
    past = torch.ones(asked, seen, dtype=torch.bool).tril(seen - asked)
    allowed = past if rows is None else torch.zeros_like(past)
    for row in rows or ():
        allowed[row.start : row.end, row.start : row.end] = past[row.start : row.end, row.start : row.end]
        allowed[row.start : row.end, row.shared_start : row.shared_end] = True
    grouped = query.shape[1] != key.shape[1]
    output = scaled_dot_product_attention(
        query, key, value, allowed, dropout_p=dropout, scale=scale, enable_gqa=grouped
    )
    return output.transpose(1, 2)


@dataclass(frozen=True, slots=True)
class _Block:
    """Some queries of a row: where they are (a line per token and head), which keys they see, how many of those all of
    them see, the heads per group, and how many keys their row has."""

    asking: slice
    seen: slice
    past: int
    heads: int
    length: int


@dataclass(frozen=True, slots=True)
class _Layout:
    """Rows filled up to whole tiles, each with its shared beginning among its keys.

    `asking` and `seen` say which token is at each place of the queries and of the keys, `back` at which place of the
    queries each token is.
    """

    asking: torch.Tensor
    seen: torch.Tensor
    back: torch.Tensor
    blocks: list[_Block]


@lru_cache(maxsize=16)  # every layer asks for the same
def _lay_out(rows: tuple[Row, ...], heads: int) -> _Layout:
    asking, seen, back, blocks = [], [], [], []
    asked = known = 0
    for row in rows:
        queries = row.end - row.start
        keys = row.shared + queries
        for start in range(0, queries, BLOCK):
            end = min(start + BLOCK, _filled(queries))
            lines, past = slice((asked + start) * heads, (asked + end) * heads), row.shared + start
            blocks.append(
                _Block(lines, slice(known, known + min(_filled(row.shared + end), _filled(keys))), past, heads, keys)
            )
        own = torch.arange(row.start, row.end)
        asking += [own, own.new_zeros(_filled(queries) - queries)]
        seen += [torch.arange(row.shared_start, row.shared_end), own, own.new_zeros(_filled(keys) - keys)]
        back.append(torch.arange(asked, asked + queries))
        asked, known = asked + _filled(queries), known + _filled(keys)
    return _Layout(torch.cat(asking), torch.cat(seen), torch.cat(back), blocks)


def _filled(length: int) -> int:
    return -(-length // TILE) * TILE


def _padded(heads: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """(groups, places * heads per group, dim): slices of it are without gaps, which saves a copy at every product."""
    padded = heads.index_select(1, places)
    return padded.flatten(1, 2) if padded.ndim > 3 else padded  # noqa: PLR2004


def _weights(asked: torch.Tensor, keys: torch.Tensor, block: _Block) -> torch.Tensor:
    """softmax(q k^T) of a block, (groups, queries * heads per group, keys)."""
    scores = asked.new_empty(len(asked), block.asking.stop - block.asking.start, block.seen.stop - block.seen.start)
    for group in range(len(asked)):
        torch.mm(asked[group, block.asking], keys[group, block.seen].t(), out=scores[group])
    heads, latest = block.heads, scores.shape[2] - block.past
    queries = scores.shape[1] // heads
    visible = scores.view(len(scores), queries, heads, -1)[..., block.past :]
    visible += _future(asked.dtype)[:queries, None, :latest]
    return torch.softmax(scores, -1)


@cache
def _future(dtype: torch.dtype) -> torch.Tensor:
    """(block, block and a tile): minus infinity above the diagonal, 0 elsewhere."""
    return torch.full((BLOCK, BLOCK + TILE), float("-inf"), dtype=dtype).triu_(1)
