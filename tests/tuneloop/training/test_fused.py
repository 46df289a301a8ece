"""What is rewritten for speed computes what it replaces, forwards and backwards."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, scaled_dot_product_attention, silu

from tuneloop.training import attention
from tuneloop.training.attention import attend_per_document
from tuneloop.training.fused import fuse, gated_mlp, linear_cross_entropy, rms_norm


def gradients(output: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    seed = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return (output, *torch.autograd.grad((output * seed).sum(), inputs))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def test_the_norm_is_the_stock_norm() -> None:
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    norm = LlamaRMSNorm(32).requires_grad_(requires_grad=False)
    norm.weight.uniform_(0.5, 2)
    x = random(5, 7, 32)
    torch.testing.assert_close(gradients(rms_norm(norm, x), x), gradients(norm(x), x))


def test_the_gated_block_is_the_stock_block() -> None:
    mlp: Any = SimpleNamespace(
        gate_proj=torch.nn.Linear(8, 16), up_proj=torch.nn.Linear(8, 16), down_proj=torch.nn.Linear(16, 8)
    )
    x = random(5, 8)
    stock = mlp.down_proj(silu(mlp.gate_proj(x)) * mlp.up_proj(x))
    torch.testing.assert_close(gradients(gated_mlp(mlp, x), x), gradients(stock, x))


@pytest.mark.parametrize("rows", [1, 300, 513])
def test_the_loss_is_the_stock_loss_whatever_the_number_of_chunks(rows: int) -> None:
    hidden, head, targets = random(rows, 16), torch.randn(50, 16), torch.randint(0, 50, (rows,))
    ours, stock = (
        linear_cross_entropy(hidden, head, targets),
        cross_entropy(hidden @ head.t(), targets, reduction="sum"),
    )
    torch.testing.assert_close(gradients(ours, hidden), gradients(stock, hidden), rtol=1e-4, atol=1e-4)


def test_a_batch_without_any_label_has_no_loss_and_no_gradient() -> None:
    hidden = random(0, 16)
    assert linear_cross_entropy(hidden, torch.randn(50, 16), torch.zeros(0, dtype=torch.long)) == 0


def test_lora_layers_are_the_stock_layers() -> None:
    from peft import LoraConfig, get_peft_model

    stock = get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(12, 20, bias=False), torch.nn.Linear(20, 6)),
        LoraConfig(r=4, lora_alpha=8, target_modules=["0", "1"]),
    )
    for name, parameter in stock.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter)
    ours = copy.deepcopy(stock)
    assert fuse(ours) == {"lora": 1, "norm": 0, "gated": 0}, "the one with a bias is left alone"
    x = random(3, 5, 12)
    trained = [[p for p in model.parameters() if p.requires_grad] for model in (ours, stock)]
    torch.testing.assert_close(
        gradients(ours(x), x, *trained[0]), gradients(stock(x), x, *trained[1]), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
@pytest.mark.parametrize("longest_plain_row", [0, 600], ids=["kernel", "plain"])
def test_each_row_attends_to_its_own_past_and_to_a_shared_beginning_alone(
    longest_plain_row: int, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    monkeypatch.setattr(attention, "LONGEST_PLAIN_ROW", longest_plain_row)
    lengths = (3, 9, 1, 5)
    q, k, v = random(1, 4, 18, 8), random(1, 2, 18, 8), random(1, 2, 18, 8)
    borders = torch.tensor([0, *lengths]).cumsum(0)
    ours, _ = attend_per_document(None, q, k, v, None, cu_seq_lens_q=borders, shared_prefix=shared)
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    allowed = ((row[:, None] == row) | (shared & (row == 0))) & torch.ones(18, 18, dtype=torch.bool).tril()
    stock = scaled_dot_product_attention(q, k, v, allowed, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(gradients(ours, q, k, v), gradients(stock, q, k, v), rtol=1e-4, atol=1e-5)
