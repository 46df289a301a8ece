"""The Llama-family network itself, written for thin batches: every state is (features, tokens)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

ARCHITECTURES = frozenset({"llama", "mistral", "qwen2", "qwen3"})
ROPE_TYPES = frozenset({"default", "linear", "llama3", "yarn"})
"""Kinds of rotary embedding whose angles depend on the position only, not on the length of the text."""

Attend = Callable[[int, "Tensor", "Tensor", "Tensor"], "Tensor"]
"""(layer, queries, keys, values) -> mixed values, (query heads x width, tokens). The three are (heads, width, tokens),
after the rotary embedding, the queries already divided by the root of the width."""


def can_run(model: Any) -> bool:
    """Whether this file knows the architecture, in exactly the variant that `model` (a transformers model) has."""
    config = model.config
    rope = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    has_window = bool(getattr(config, "sliding_window", None)) and getattr(config, "use_sliding_window", True)
    projections = [m for name, m in model.named_modules() if name.endswith(("_proj", "lm_head"))]
    return (
        config.model_type in ARCHITECTURES
        and model.device.type == "cpu"
        and rope in ROPE_TYPES
        and not has_window
        and getattr(config, "hidden_act", "") == "silu"
        and all(type(m).__name__ == "Linear" for m in projections)  # neither quantised nor wrapped by an adapter
    )


class FastNetwork:
    """The weights of a transformers model of the Llama family, laid out for decoding.

    The model stays usable and memory does not grow: its weights become views of the ones here.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        self.heads = int(config.num_attention_heads)
        self.key_heads = int(config.num_key_value_heads)
        self.width = int(getattr(config, "head_dim", None) or config.hidden_size // self.heads)
        self.epsilon = float(config.rms_norm_eps)
        self.layers = [_Layer(layer) for layer in model.model.layers]
        self.head, self.head_bias = _fused(model.lm_head)
        self.embedding: Tensor = model.model.embed_tokens.weight.detach()
        self.final_norm: Tensor = model.model.norm.weight.detach()
        self._rotary = model.model.rotary_emb

    def hidden(self, tokens: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Last hidden states, shape (features, tokens), of these token ids at these positions (one dimension each)."""
        from torch.nn.functional import silu

        x = self.embedding[tokens].t().contiguous()
        angles = self._angles(positions)
        for number, layer in enumerate(self.layers):
            q, k, v = self._queries_keys_values(layer, x, angles)
            x = _product(layer.out, layer.out_bias, attend(number, q, k, v), add_to=x)
            gate, up = _product(layer.gate_up, layer.gate_up_bias, _normed(x, layer.norm_after, self.epsilon)).chunk(2)
            x = _product(layer.down, layer.down_bias, silu(gate).mul_(up), add_to=x)
        return x

    def scores(self, x: Tensor) -> Tensor:
        """Logits, shape (vocabulary, tokens), of last hidden states."""
        return _product(self.head, self.head_bias, _normed(x, self.final_norm, self.epsilon))

    def next_tokens(self, x: Tensor) -> Tensor:
        """The most likely next token behind each column of last hidden states."""
        return first_best(self.scores(x))

    def _queries_keys_values(
        self, layer: _Layer, x: Tensor, angles: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        qkv = _product(layer.qkv, layer.qkv_bias, _normed(x, layer.norm_before, self.epsilon))
        qk, v = qkv.view(-1, self.width, x.shape[1]).split_with_sizes((self.heads + self.key_heads, self.key_heads))
        if layer.norm_qk is not None:
            qk = _normed(qk, layer.norm_qk, self.epsilon)
        q, k = _turned(qk, *angles).split_with_sizes((self.heads, self.key_heads))
        return q * self.width**-0.5, k, v

    def _angles(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines, shape (width / 2, tokens) each: the model's own, whatever scaling it uses."""
        cos, sin = self._rotary(self.embedding[:1], positions[None])
        half = self.width // 2
        return cos[0, :, :half].t().contiguous(), sin[0, :, :half].t().contiguous()


class _Layer:
    """The weights of one layer; queries, keys and values are one matrix, and so are gate and up."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.norm_before: Tensor = layer.input_layernorm.weight.detach()
        self.norm_after: Tensor = layer.post_attention_layernorm.weight.detach()
        self.norm_qk = _head_norms(attention)
        self.qkv, self.qkv_bias = _fused(attention.q_proj, attention.k_proj, attention.v_proj)
        self.out, self.out_bias = _fused(attention.o_proj)
        self.gate_up, self.gate_up_bias = _fused(mlp.gate_proj, mlp.up_proj)
        self.down, self.down_bias = _fused(mlp.down_proj)


def _fused(*linears: Any) -> tuple[Tensor, Tensor | None]:
    """One weight, and bias if there is one, out of several; the linears go on as views of it.

    Even a single one is copied, for an aligned address.
    """
    weight = _joined([linear.weight for linear in linears])
    return weight, None if linears[0].bias is None else _joined([linear.bias for linear in linears])


def _joined(parts: list[Any]) -> Tensor:
    import torch

    whole = torch.cat([part.detach() for part in parts])
    for part, view in zip(parts, whole.split_with_sizes([len(part) for part in parts]), strict=True):
        part.data = view
    return whole


def _head_norms(attention: Any) -> Tensor | None:
    """Qwen3 norms each query and key head: weights of shape (query heads + key heads, width)."""
    import torch

    if getattr(attention, "q_norm", None) is None:
        return None
    query_heads = attention.q_proj.out_features // attention.head_dim
    key_heads = attention.k_proj.out_features // attention.head_dim
    of_queries, of_keys = attention.q_norm.weight.detach(), attention.k_norm.weight.detach()
    return torch.cat((of_queries.expand(query_heads, -1), of_keys.expand(key_heads, -1)))


def _product(weight: Tensor, bias: Tensor | None, x: Tensor, *, add_to: Tensor | None = None) -> Tensor:
    import torch

    out = torch.mm(weight, x) if add_to is None else torch.addmm(add_to, weight, x)
    return out if bias is None else out + bias[:, None]


def _normed(x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """RMS norm over the features, the last dimension but one; in float32, as transformers does it."""
    import torch

    wide = x.float()
    # Along the last dimension, where the order of summation is the same for any number of tokens.
    squares = wide.pow(2).transpose(-1, -2).contiguous().mean(-1)
    scale = torch.rsqrt(squares + epsilon).unsqueeze(-2)
    return weight[..., None] * (wide * scale).to(x.dtype)


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary embedding of `x`, shape (heads, width, tokens)."""
    import torch

    a, b = x.chunk(2, dim=1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), dim=1)


def first_best(scores: Tensor) -> Tensor:
    """Arg-max over the first dimension of (vocabulary, rows); of equal scores any one, but always the same one."""
    import torch

    vocabulary, rows = scores.shape
    block = math.gcd(vocabulary, 256)
    blocks = scores.view(-1, block, rows)
    column = blocks.amax(0).argmax(0)
    return blocks[:, column, torch.arange(rows)].argmax(0) * block + column
