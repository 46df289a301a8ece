"""Every `auto` is decided by what the model and the machine are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, MistralConfig, Qwen2Config

from tuneloop.recipes import Training
from tuneloop.training import plan as planning
from tuneloop.training.plan import make_plan

pytestmark = pytest.mark.integration

SMALL = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 100,
}  # fmt: skip
only_without_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="asks what a CPU gets")


@only_without_gpu
def test_a_small_llama_on_a_cpu_gets_the_fast_step_with_unpacked_weights() -> None:
    plan = make_plan(Training(), LlamaConfig(**SMALL), threads=3, tokens_per_batch=1000)
    assert (plan.fast, plan.threads, plan.attention) == (True, 3, "per_document")
    assert (plan.base_weights, plan.gradient_checkpointing, plan.optimizer) == ("dequantised", False, "adamw_torch")


@only_without_gpu
@pytest.mark.parametrize(
    "architecture",
    [
        MistralConfig(**SMALL, sliding_window=64),
        Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=64, max_window_layers=0),
        LlamaConfig(**SMALL, hidden_act="gelu"),
    ],
    ids=["mistral with a window", "qwen with a window", "another activation"],
)
def test_a_model_the_fast_step_does_not_compute_gets_the_plain_one(architecture: Any) -> None:
    plan = make_plan(Training(), architecture, threads=None, tokens_per_batch=1000)
    assert (plan.fast, plan.attention) == (False, "sdpa")


@only_without_gpu
def test_where_memory_is_short_weights_stay_packed_and_activations_are_recomputed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "free_memory", lambda: 100_000)
    plan = make_plan(Training(), LlamaConfig(**SMALL), threads=None, tokens_per_batch=1000)
    assert (plan.base_weights, plan.gradient_checkpointing) == ("packed", True)


def test_what_the_recipe_says_is_what_is_done() -> None:
    config = Training(base_weights="packed", gradient_checkpointing=True, optimizer="adafactor")
    plan = make_plan(config, LlamaConfig(**SMALL), threads=1, tokens_per_batch=1000)
    assert (plan.base_weights, plan.gradient_checkpointing, plan.optimizer) == ("packed", True, "adafactor")


def test_only_qlora_has_quantised_weights() -> None:
    assert make_plan(Training(method="lora"), LlamaConfig(**SMALL), 1, 1000).base_weights == "plain"


def test_a_container_limit_counts_as_memory(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(planning, "CGROUP_LIMIT", limit)
    limit.write_text("max\n")
    assert planning.free_memory() > 0
    limit.write_text("1\n")
    assert planning.free_memory() <= 0
