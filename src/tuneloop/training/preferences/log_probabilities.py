"""Log-probability of each answer token, without the logits of a whole batch ever existing."""

from __future__ import annotations

from typing import Any

import torch

CHUNK = 256
"""Positions whose logits exist at one time."""


def token_log_probabilities(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-softmax of `hidden` (n, dim) @ `head` (vocabulary, dim)^T at `targets` (n,): (n,) in float32.

    The gradient for `hidden` is computed in the forward, where the logits are at hand. `head` gets none: use it with a
    frozen head.
    """
    output: torch.Tensor = _TokenLogProbabilities.apply(hidden, head, targets)  # type: ignore[no-untyped-call]
    return output


class _TokenLogProbabilities(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        output = hidden.new_empty(hidden.shape[0], dtype=torch.float32)
        gradient = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        for start in range(0, hidden.shape[0], CHUNK):
            chunk = slice(start, start + CHUNK)
            wanted = targets[chunk, None]
            shares = torch.log_softmax(hidden[chunk] @ head.t(), -1, dtype=torch.float32)
            output[chunk] = shares.gather(1, wanted)[:, 0]
            if gradient is not None:  # of log p: the head's row of the wanted token less the expected row
                shares.exp_().neg_().scatter_add_(1, wanted, shares.new_ones(wanted.shape))
                gradient[chunk] = shares.to(hidden.dtype) @ head
        ctx.save_for_backward(gradient)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * gradients[0][:, None].to(gradient.dtype), None, None
