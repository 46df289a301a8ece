"""What is rewritten for speed computes what it replaces, forwards and backwards, for every family it is meant for."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from tuneloop.training.fast import attention
from tuneloop.training.fast.attention import attend_per_document
from tuneloop.training.fast.fused import fuse, linear_cross_entropy
from tuneloop.training.fast.threaded_trainer import summed_loss

pytestmark = pytest.mark.integration

Batch = Callable[..., dict[str, Any]]


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Rows of a few tokens are several blocks, of several tiles each."""
    monkeypatch.setattr(attention, "BLOCK", 4)
    monkeypatch.setattr(attention, "TILE", 2)
    for cached in (attention._future, attention._lay_out):
        cached.cache_clear()
    yield
    for cached in (attention._future, attention._lay_out):
        cached.cache_clear()


SIZES: dict[str, Any] = {
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {"attention_bias": True, "mlp_bias": True},
    "mistral": {"sliding_window": None},
    "qwen2": {},
    "qwen3": {"head_dim": 16},
    "smollm3": {"no_rope_layers": [1, 0, 1]},
}
"""What each has of its own: biases, heads wider than the model, norms on heads, layers without rotation."""


def gradients(output: torch.Tensor, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
    seed = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return (output, *torch.autograd.grad((output * seed).sum(), inputs))


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def adapted(family: str, **options: Any) -> Any:
    """A random float32 model of `family` with LoRA; nothing in it is zero or one."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoConfig, AutoModelForCausalLM

    attention.register()
    torch.manual_seed(3)
    config = AutoConfig.for_model(family, **{**SIZES, **FAMILIES[family]})
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention.NAME)
    options = {"target_modules": "all-linear", "task_type": "CAUSAL_LM", **options}
    wrapped: Any = get_peft_model(model, LoraConfig(r=4, lora_alpha=6, **options))
    for parameter in wrapped.parameters():
        parameter.data += torch.randn(parameter.shape) * 0.1
    return wrapped


def loss_and_gradients(model: Any, loss: torch.Tensor) -> list[torch.Tensor]:
    trained = [p for p in model.parameters() if p.requires_grad]
    return [loss, *torch.autograd.grad(loss, trained)]


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj", "down_proj"]], ids=["all", "some"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_fused_layer_is_the_stock_layer(family: str, targets: Any, batch: Batch) -> None:
    stock = adapted(family, target_modules=targets)
    ours = copy.deepcopy(stock)
    assert fuse(ours) == {"layers": 3}
    rows = batch((7, 19, 150))
    fast, plain = (loss_and_gradients(model, summed_loss(model, rows)) for model in (ours, stock))
    torch.testing.assert_close(fast, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "options", [{"lora_dropout": 0.1}, {"use_dora": True}, {"lora_bias": True}, {"modules_to_save": ["down_proj"]}]
)
def test_layers_with_something_more_than_lora_are_left_alone(options: dict[str, Any]) -> None:
    assert fuse(adapted("llama", **options)) == {"layers": 0}


def test_a_fused_model_still_answers_merges_and_saves_as_before(batch: Batch) -> None:
    from peft import get_peft_model_state_dict

    stock = adapted("qwen3").eval()
    ours, ids = copy.deepcopy(stock), batch((9,))["input_ids"]
    fuse(ours)
    summed_loss(ours, batch())
    with torch.no_grad():
        torch.testing.assert_close(ours(input_ids=ids).logits, stock(input_ids=ids).logits)
        answers = [m.generate(input_ids=ids, max_new_tokens=5, do_sample=False, pad_token_id=2) for m in (ours, stock)]
    assert torch.equal(*answers)
    torch.testing.assert_close(get_peft_model_state_dict(ours), get_peft_model_state_dict(stock))
    torch.testing.assert_close(ours.merge_and_unload().state_dict(), stock.merge_and_unload().state_dict())


def test_a_fused_model_that_is_cast_goes_on_with_the_cast_weights(batch: Batch) -> None:
    ours = adapted("llama")
    exact = summed_loss(ours, batch())
    fuse(ours)
    coarse = summed_loss(ours.bfloat16(), batch())
    assert coarse != exact
    torch.testing.assert_close(coarse, exact, rtol=0.02, atol=0)


@pytest.mark.parametrize("rows", [1, 300, 513])
def test_the_loss_is_the_stock_loss_whatever_the_number_of_chunks(rows: int) -> None:
    hidden, head, targets = random(rows, 16), torch.randn(50, 16), torch.randint(0, 50, (rows,))
    ours, stock = (
        linear_cross_entropy(hidden, head, targets),
        cross_entropy(hidden @ head.t(), targets, reduction="sum"),
    )
    torch.testing.assert_close(gradients(ours, hidden), gradients(stock, hidden), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("lead", [0.0, 4.0, 12.0, 200.0, -200.0], ids="lead {}".format)
def test_sure_and_hopeless_tokens_have_their_loss_and_gradient_in_bf16_too(lead: float) -> None:
    """A share of 0.999 is 1 in bf16; the gradient that is left must not be."""
    head, targets = torch.eye(8).bfloat16(), torch.zeros(4, dtype=torch.long)
    hidden = torch.zeros(4, 8).index_fill_(1, torch.tensor([0]), lead).bfloat16().requires_grad_()
    exact = hidden.detach().float().requires_grad_()
    stock = cross_entropy(exact @ head.t().float(), targets, reduction="sum")
    ours = linear_cross_entropy(hidden, head, targets)
    torch.testing.assert_close(ours, stock.clamp(max=4 * 87.5), rtol=0.01, atol=1e-5)
    (ours_d,), (stock_d,) = torch.autograd.grad(ours, hidden), torch.autograd.grad(stock, exact)
    torch.testing.assert_close(ours_d.float(), stock_d, rtol=0.02, atol=1e-8)


def test_a_batch_without_any_label_has_no_loss_and_no_gradient() -> None:
    hidden = random(0, 16)
    assert linear_cross_entropy(hidden, torch.randn(50, 16), torch.zeros(0, dtype=torch.long)) == 0


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("shared", [False, True], ids=["apart", "shared"])
@pytest.mark.parametrize("dropout", [0.0, 1e-9], ids=["ours", "kernel"])
@pytest.mark.parametrize("longest_kept_row", [0, 600], ids=["again", "kept"])
def test_each_row_attends_to_its_own_past_and_to_a_shared_beginning_alone(
    dropout: float, longest_kept_row: int, monkeypatch: pytest.MonkeyPatch, *, shared: bool
) -> None:
    monkeypatch.setattr(attention, "LONGEST_KEPT_ROW", longest_kept_row)
    lengths = (3, 9, 1, 5)
    q, k, v = random(1, 4, 18, 8), random(1, 2, 18, 8), random(1, 2, 18, 8)
    borders = torch.tensor([0, *lengths]).cumsum(0)
    ours, _ = attend_per_document(None, q, k, v, None, dropout=dropout, cu_seq_lens_q=borders, shared_prefix=shared)
    row = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    allowed = ((row[:, None] == row) | (shared & (row == 0))) & torch.ones(18, 18, dtype=torch.bool).tril()
    stock = scaled_dot_product_attention(q, k, v, allowed, enable_gqa=True).transpose(1, 2)
    torch.testing.assert_close(gradients(ours, q, k, v), gradients(stock, q, k, v), rtol=1e-4, atol=1e-5)


def test_pairs_attend_as_each_of_them_would_by_itself() -> None:
    q, k, v = random(1, 4, 20, 8), random(1, 2, 20, 8), random(1, 2, 20, 8)
    borders = [torch.tensor([0, 2, 7, 11]), torch.tensor([0, 0, 4, 9])]
    together, _ = attend_per_document(None, q, k, v, None, pairs=borders)
    pieces = zip(*(t.split((11, 9), 2) for t in (q, k, v)), borders, strict=True)
    apart = [attend_per_document(None, *qkv, None, cu_seq_lens_q=b, shared_prefix=True)[0] for *qkv, b in pieces]
    torch.testing.assert_close(gradients(together, q, k, v), gradients(torch.cat(apart, 1), q, k, v))


def test_the_last_token_of_a_cache_sees_all_of_it() -> None:
    q, k, v = random(1, 4, 1, 8), random(1, 2, 6, 8), random(1, 2, 6, 8)
    ours, _ = attend_per_document(None, q, k, v, None)
    torch.testing.assert_close(ours, scaled_dot_product_attention(q, k, v, enable_gqa=True).transpose(1, 2))
