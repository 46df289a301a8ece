"""Parts of a Llama-like model rewritten for training on a CPU: the same numbers with fewer passes over memory.

Matrix products of a 135M model run close to the processor's bf16 rate; what is slow are the element-wise steps between
them, each a pass over megabytes. So each of these writes its backward by hand and does several steps in one.
Nothing here holds parameters: the modules keep theirs, only their `forward` is replaced.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.nn.functional import silu

LOSS_CHUNK = 256
"""Labelled positions whose logits exist at one time."""

KNOWN_NORMS = {"LlamaRMSNorm", "MistralRMSNorm", "Qwen2RMSNorm", "Qwen3RMSNorm", "SmolLM3RMSNorm"}
KNOWN_GATED = {"LlamaMLP", "MistralMLP", "Qwen2MLP", "Qwen3MLP", "SmolLM3MLP"}


def fuse(model: torch.nn.Module) -> dict[str, int]:
    """Replace the forward of every part that is known to compute what ours does; returns how many of each kind."""
    counts = {"lora": 0, "norm": 0, "gated": 0}
    for module in model.modules():
        if (kind := _kind(module)) is not None:
            forward = {"lora": lora_linear, "norm": rms_norm, "gated": gated_mlp}[kind]
            module.forward = partial(forward, module)
            counts[kind] += 1
    return counts


def _kind(module: Any) -> str | None:
    name = type(module).__name__
    if name in KNOWN_NORMS and not module.weight.requires_grad:
        return "norm"
    if name in KNOWN_GATED and module.config.hidden_act == "silu":
        return "gated"
    return "lora" if _is_plain_lora(module) else None


def _is_plain_lora(module: Any) -> bool:
    """A LoRA layer with one adapter and none of the variants (dropout, DoRA, bias) our formula leaves out."""
    from peft.tuners.lora import LoraLayer

    if not isinstance(module, LoraLayer) or list(module.lora_A) != ["default"]:
        return False
    base: Any = module.get_base_layer()
    no_dropout = isinstance(module.lora_dropout["default"], torch.nn.Identity)
    is_linear = isinstance(base, torch.nn.Linear) and base.bias is None
    return is_linear and no_dropout and not module.use_dora.get("default") and not base.weight.requires_grad


def lora_linear(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Compute x W^T + s (x A^T) B^T; A and B may be float32 (exact steps and resume) while x and W are bf16."""
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    base, scale = layer.get_base_layer(), layer.scaling["default"]
    output: torch.Tensor = _LoraLinear.apply(x, a, b, base, scale)  # type: ignore[no-untyped-call]
    return output


def rms_norm(norm: Any, x: torch.Tensor) -> torch.Tensor:
    """Root-mean-square norm with a frozen weight (Zhang and Sennrich 2019)."""
    output: torch.Tensor = _RmsNorm.apply(x, norm.weight, norm.variance_epsilon)  # type: ignore[no-untyped-call]
    return output


def gated_mlp(mlp: Any, x: torch.Tensor) -> torch.Tensor:
    """down(silu(gate(x)) * up(x)), the SwiGLU block (Shazeer 2020)."""
    gated: torch.Tensor = _SiluTimes.apply(mlp.gate_proj(x), mlp.up_proj(x))  # type: ignore[no-untyped-call]
    output: torch.Tensor = mlp.down_proj(gated)
    return output


def linear_cross_entropy(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed cross-entropy of `hidden` (n, dim) @ `head` (vocabulary, dim)^T against `targets` (n,), in float32.

    The logits exist for `LOSS_CHUNK` rows at a time, and the gradient for `hidden` is ready after the forward.
    `head` gets none: use it with a frozen head.
    """
    output: torch.Tensor = _LinearCrossEntropy.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return output


def _weight(base: Any, dtype: torch.dtype) -> torch.Tensor:
    """The frozen weight, unpacked if it is NF4."""
    if hasattr(base.weight, "quant_state"):
        from bitsandbytes.functional import dequantize_4bit

        unpacked: torch.Tensor = dequantize_4bit(base.weight.data, base.weight.quant_state)
        return unpacked.to(dtype)
    weight: torch.Tensor = base.weight
    return weight


class _LoraLinear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, base: Any, scale: float) -> torch.Tensor:
        rows, a16, b16 = x.reshape(-1, x.shape[-1]), a.to(x.dtype), b.to(x.dtype)
        thin = rows @ a16.t()
        out = rows @ _weight(base, x.dtype).t()
        out.addmm_(thin, b16.t(), alpha=scale)
        ctx.save_for_backward(rows, thin, a16, b16)
        ctx.base, ctx.scale, ctx.shape, ctx.dtype = base, scale, x.shape, a.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, thin, a16, b16 = ctx.saved_tensors
        d_out = gradients[0].reshape(-1, gradients[0].shape[-1])
        d_thin = (d_out @ b16).mul_(ctx.scale)
        d_a = (d_thin.t() @ rows).to(ctx.dtype)
        d_b = (d_out.t() @ thin).to(ctx.dtype).mul_(ctx.scale)
        d_x = None
        if ctx.needs_input_grad[0]:
            d_x = (d_out @ _weight(ctx.base, d_out.dtype)).addmm_(d_thin, a16).view(ctx.shape)
        return d_x, d_a, d_b, None, None


class _RmsNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
        length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
        inverse = length.square_().div_(x.shape[-1]).add_(epsilon).rsqrt_()
        ctx.save_for_backward(x, weight, inverse)
        return x.to(torch.float32, copy=True).mul_(inverse).to(x.dtype).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        d_y = gradients[0] * weight
        along = (d_y * x).sum(-1, keepdim=True, dtype=torch.float32)
        pull = along.mul_(inverse.pow(3)).div_(-x.shape[-1]).to(x.dtype)
        return d_y.mul_(inverse.to(x.dtype)).addcmul_(x, pull), None, None


class _SiluTimes(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
        opened = silu(gate)
        ctx.save_for_backward(gate, up, opened)
        return opened * up

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gate, up, opened = ctx.saved_tensors
        d_gate = torch.ops.aten.silu_backward(gradients[0] * up, gate)
        return d_gate, gradients[0] * opened


class _LinearCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        total = hidden.new_zeros((), dtype=torch.float32)
        gradient = torch.empty_like(hidden)
        for start in range(0, hidden.shape[0], LOSS_CHUNK):
            part, wanted = hidden[start : start + LOSS_CHUNK], targets[start : start + LOSS_CHUNK, None]
            shares = torch.log_softmax(part @ head.t(), -1, dtype=torch.float32)
            total -= shares.gather(1, wanted).sum()
            shares.exp_().scatter_add_(1, wanted, shares.new_full(wanted.shape, -1.0))
            gradient[start : start + LOSS_CHUNK] = shares.to(hidden.dtype) @ head
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return ctx.saved_tensors[0] * gradients[0].to(ctx.saved_tensors[0].dtype), None, None
