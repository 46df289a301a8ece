"""The fast step takes the same steps as the plain one, on weights that stay what they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity
from transformers import AutoConfig

from tuneloop.recipes import Training
from tuneloop.training.fast import attention, threaded_trainer
from tuneloop.training.fast.fused import fuse
from tuneloop.training.fast.threaded_trainer import split_rows, summed_loss
from tuneloop.training.loading import Loaded, load_for_training
from tuneloop.training.plan import make_plan

pytestmark = pytest.mark.integration

Batch = Callable[..., dict[str, Any]]


def load(tiny: Path, base_weights: Any, attention_name: str = attention.NAME) -> Loaded:
    attention.register()
    config = Training(lora_rank=4, base_weights=base_weights)
    plan = make_plan(config, AutoConfig.from_pretrained(tiny), threads=1, tokens_per_batch=64)
    loaded = load_for_training(tiny, config, replace(plan, attention=attention_name))
    generator = torch.Generator().manual_seed(1)
    for name, parameter in loaded.model.named_parameters():
        if "lora_B" in name:  # zeros at the start: their partners would have no gradient
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.05
    return loaded


def gradient(model: Any, loss: torch.Tensor) -> torch.Tensor:
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, trained)])


def test_nf4_weights_and_float32_adapters_on_all_linear_layers(tiny: Path) -> None:
    loaded = load(tiny, "packed")
    assert loaded.quantised_layers == 14
    assert {p.dtype for p in loaded.model.parameters() if p.requires_grad} == {torch.float32}
    assert 0 < loaded.trainable_parameters < loaded.total_parameters


def test_packed_and_unpacked_weights_train_on_the_same_numbers(tiny: Path, batch: Batch) -> None:
    results = []
    for base_weights in ("packed", "dequantised"):
        model = load(tiny, base_weights).model
        assert fuse(model) == {"layers": 2}
        loss = summed_loss(model, batch())
        results.append((loss, gradient(model, loss)))
    torch.testing.assert_close(results[0], results[1])


def test_the_fast_loss_is_the_plain_loss_within_bf16(tiny: Path, batch: Batch) -> None:
    model, rows = load(tiny, "dequantised").model, batch()
    fuse(model)
    fast = summed_loss(model, rows)
    plain_model = load(tiny, "dequantised", "eager").model
    losses = []
    for start, end in zip(rows["cu_seq_lens_q"], rows["cu_seq_lens_q"][1:], strict=False):
        ids, labels = rows["input_ids"][:, start:end], rows["labels"][:, start:end]
        losses.append(plain_model(input_ids=ids, labels=labels).loss * (labels[:, 1:] != -100).sum())
    plain = torch.stack(losses).sum()
    torch.testing.assert_close(fast, plain, rtol=0.01, atol=0)
    assert cosine_similarity(gradient(model, fast), gradient(plain_model, plain), dim=0) > 0.99


@pytest.mark.parametrize("fused", [True, False])
def test_an_evaluation_leaves_the_gradients_as_they_were(tiny: Path, batch: Batch, *, fused: bool) -> None:
    """With bitsandbytes' AVX512 layout it would repack the NF4 weights for good."""
    model = load(tiny, "packed").model
    if fused:
        fuse(model)
    before = gradient(model, summed_loss(model, batch()))
    model.eval()
    with torch.no_grad():
        summed_loss(model, batch())
        model(input_ids=batch((1,))["input_ids"])
    model.train()
    assert torch.equal(gradient(model, summed_loss(model, batch())), before)


def test_threads_share_out_every_row_once(batch: Batch) -> None:
    whole = batch((7, 19, 12, 30, 2))
    parts = split_rows(whole, 2)
    assert [int(p["cu_seq_lens_q"][-1]) for p in parts] == [37, 33]
    assert sorted(torch.cat([p["input_ids"] for p in parts], 1)[0].tolist()) == sorted(whole["input_ids"][0].tolist())


def test_what_all_rows_begin_with_is_computed_once_with_the_same_result(tiny: Path, batch: Batch) -> None:
    model = load(tiny, "dequantised").model.float()
    fuse(model)
    rows = batch((17, 29, 22))
    for start in rows["cu_seq_lens_q"][:-1]:
        rows["input_ids"][0, start : start + 7] = torch.arange(10, 17)
    (shared,) = split_rows(rows, 1)
    assert shared["cu_seq_lens_q"].tolist() == [0, 7, 29, 44, 54]
    ours, plain = summed_loss(model, shared), summed_loss(model, rows)
    torch.testing.assert_close(ours, plain)
    torch.testing.assert_close(gradient(model, ours), gradient(model, plain), rtol=1e-3, atol=1e-4)


def test_rows_that_are_alike_up_to_their_answers_share_no_token_that_predicts(batch: Batch) -> None:
    rows = batch((8, 8))
    rows["input_ids"][0, 8:] = rows["input_ids"][0, :8]
    (shared,) = split_rows(rows, 1)
    assert shared["cu_seq_lens_q"].tolist() == [0, 3, 8, 13], "labels start at token 4, which token 3 predicts"


def test_a_long_batch_is_done_in_turns_that_bound_what_is_kept(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threaded_trainer, "TOKENS_AT_ONCE", 20)
    assert [int(p["cu_seq_lens_q"][-1]) for p in split_rows(batch((7, 19, 12, 30, 2)), 2)] == [30, 19, 12, 9]


def test_there_are_never_more_shards_than_rows(batch: Batch) -> None:
    assert len(split_rows(batch((5, 6)), 8)) == 2


def test_a_batch_in_shards_has_the_loss_of_the_whole(tiny: Path, batch: Batch) -> None:
    model = load(tiny, "dequantised").model
    fuse(model)
    whole = batch((7, 19, 12, 30, 2))
    parts = torch.stack([summed_loss(model, part) for part in split_rows(whole, 3)])
    torch.testing.assert_close(parts.sum(), summed_loss(model, whole), rtol=0.005, atol=0)
