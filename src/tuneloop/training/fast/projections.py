"""Linear layers that read the same input, as one matrix product with all their adapters.

With A the adapters' thin halves stacked and B their wide halves along the diagonal,

    [x, x A^T] [W, s B]^T  =  x W^T + s (x A^T) B^T

so that the adapters cost a few more columns of a product that runs at the processor's matrix rate, where products of
width 16 reach a tenth of it and each would be one more pass over the output. Backwards the same product gives the
gradients of x and of x A^T at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch


class Projections:
    """`layers` are linear layers or peft's LoRA layers around them; they keep their parameters.

    Unpacked weights move into one matrix with room for B, and the layers' weights become views of it.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._bases = [layer.get_base_layer() if hasattr(layer, "lora_A") else layer for layer in layers]
        self._adapted = [layer if hasattr(layer, "lora_A") else None for layer in layers]
        ranks = [0 if layer is None else layer.r["default"] for layer in self._adapted]
        self.width = int(self._bases[0].in_features)
        self._columns = _borders(self.width, ranks)
        self._rows = _borders(0, [base.out_features for base in self._bases])
        self._thin = torch.empty(0)
        self._matrix: torch.Tensor | None = None
        if not any(hasattr(base.weight, "quant_state") for base in self._bases):
            self._move()

    @property
    def adapters(self) -> list[torch.nn.Parameter]:
        """A and B of each adapted layer in turn."""
        adapted = [layer for layer in self._adapted if layer is not None]
        return [half["default"].weight for layer in adapted for half in (layer.lora_A, layer.lora_B)]

    def input(self, tokens: int) -> torch.Tensor:
        """(tokens, width + ranks) to be filled: x goes into the first `width` columns, `forward` fills the others."""
        return torch.empty(tokens, self._columns[-1], dtype=self._dtype)

    def forward(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """(tokens, outputs of all layers) of an `input`; added to `residual` if there is one."""
        self._thin = self._stacked()
        self.reduce(x)
        weight = self._weight(is_new=True).t()
        output = x @ weight if residual is None else torch.addmm(residual, x, weight)
        for base, (start, end) in zip(self._bases, pairwise(self._rows), strict=True):
            if base.bias is not None:
                output[:, start:end] += base.bias
        return output

    def reduce(self, x: torch.Tensor) -> None:
        """Fill the last columns of an `input` with x A^T."""
        if self._columns[-1] > self.width:
            torch.mm(x[:, : self.width], self._thin.t(), out=x[:, self.width :])

    def backward(self, d_output: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Gradients of x (tokens, width), not contiguous, and of `adapters`."""
        d_both = d_output @ self._weight()
        d_x, d_reduced = d_both[:, : self.width], d_both[:, self.width :]
        if self._columns[-1] > self.width:
            d_x.addmm_(d_reduced, self._thin)
        d_thin = d_reduced.t() @ x[:, : self.width]
        gradients = []
        for layer, (start, end), (left, right) in self._blocks():
            a, b, scale = _halves(layer)
            gradients.append(d_thin[left - self.width : right - self.width].to(a.dtype))
            d_b = x[:, left:right].t() @ d_output[:, start:end]
            gradients.append(torch.empty_like(b).copy_(d_b.t()).mul_(scale))
        return d_x, gradients

    @property
    def _dtype(self) -> torch.dtype:
        weight = self._bases[0].weight
        dtype: torch.dtype = weight.quant_state.dtype if hasattr(weight, "quant_state") else weight.dtype
        return dtype

    def _blocks(self) -> list[tuple[Any, tuple[int, int], tuple[int, int]]]:
        """Each adapted layer, its outputs, and the columns of its rank."""
        each = zip(self._adapted, pairwise(self._rows), pairwise(self._columns), strict=True)
        return [(layer, rows, columns) for layer, rows, columns in each if layer is not None]

    def _stacked(self) -> torch.Tensor:
        """A of all adapters, (ranks, width). Threads that share it all write the same."""
        halves = [_halves(layer)[0] for layer, _, _ in self._blocks()]
        return torch.cat(halves).to(self._dtype) if halves else torch.empty(0)

    def _weight(self, *, is_new: bool = False) -> torch.Tensor:
        """[W, s B], (outputs, width + ranks); with `is_new` the adapters have changed since the last time."""
        matrix = self._unpacked() if self._matrix is None else self._current()
        if is_new or self._matrix is None:
            for layer, (start, end), (left, right) in self._blocks():
                _, b, scale = _halves(layer)
                matrix[start:end, left:right] = b * scale
        return matrix

    def _current(self) -> torch.Tensor:
        """The matrix, made anew if somebody (a cast of the model, say) has given a layer another weight."""
        places = [base.weight.data_ptr() for base in self._bases]
        if self._matrix is None or places != [self._matrix[start:].data_ptr() for start in self._rows[:-1]]:
            self._move()
        assert self._matrix is not None
        return self._matrix

    def _move(self) -> None:
        matrix = torch.zeros(self._rows[-1], self._columns[-1], dtype=self._dtype)
        for base, (start, end) in zip(self._bases, pairwise(self._rows), strict=True):
            matrix[start:end, : self.width] = base.weight.data
            base.weight.data = matrix[start:end, : self.width]
        self._matrix = matrix

    def _unpacked(self) -> torch.Tensor:
        from bitsandbytes.functional import dequantize_4bit

        matrix = torch.zeros(self._rows[-1], self._columns[-1], dtype=self._dtype)
        for base, (start, end) in zip(self._bases, pairwise(self._rows), strict=True):
            matrix[start:end, : self.width] = dequantize_4bit(base.weight.data, base.weight.quant_state)
        return matrix


def _borders(start: int, sizes: Sequence[int]) -> list[int]:
    borders = [start]
    for size in sizes:
        borders.append(borders[-1] + size)
    return borders


def _halves(layer: Any) -> tuple[torch.Tensor, torch.Tensor, float]:
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    return a.detach(), b.detach(), float(layer.scaling["default"])
