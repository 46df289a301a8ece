"""Estimates against what PyTorch really keeps, and against published runs of big models."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig, MixtralConfig

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.results import Cost, Estimate, TrainingReport
from tuneloop.training.estimates.durations import Work, training_seconds
from tuneloop.training.estimates.estimating import (
    Job,
    changes,
    error,
    estimate,
    estimate_job,
    first_that_fits,
    fits,
    plan_for,
)
from tuneloop.training.estimates.footprint import NF4_BYTES, Step, kept_bytes_per_token, training_bytes
from tuneloop.training.estimates.hardware import MACHINES, Hardware, named_machine
from tuneloop.training.estimates.past import corrected, note
from tuneloop.training.estimates.sizes import Sizes, sizes_of
from tuneloop.training.fast import attention

pytestmark = pytest.mark.integration

GIB = 2**30
SMALL = LlamaConfig(
    hidden_size=256, intermediate_size=704, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
    vocab_size=512, tie_word_embeddings=True,
)  # fmt: skip


def llama(hidden: int, inner: int, layers: int, heads: int, groups: int, words: int) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=hidden, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=groups, vocab_size=words, tie_word_embeddings=False,
    )  # fmt: skip


MODELS = {
    "llama-2-7b": llama(4096, 11008, 32, 32, 32, 32000),
    "llama-3-8b": llama(4096, 14336, 32, 32, 8, 128256),
    "llama-1-65b": llama(8192, 22016, 80, 64, 64, 32000),
    "llama-2-70b": llama(8192, 28672, 80, 64, 8, 32000),
    "llama-3-70b": llama(8192, 28672, 80, 64, 8, 128256),
    "qwen-7b": llama(4096, 11008, 32, 32, 32, 151936),
}


@cache
def sizes(model: str) -> Sizes:
    return sizes_of(MODELS[model])


def job(model: str = "llama-3-8b", hardware: str = "a100-80", tokens: float = 2048, **changed: Any) -> Job:
    config = Training(gradient_checkpointing=True, epochs=1, batch_size=1).model_copy(update=changed.pop("config", {}))
    return replace(Job(config, MODELS[model], MACHINES[hardware], 1000, 600, tokens), **changed)


@pytest.mark.parametrize(("model", "billions"), [("llama-2-7b", 6.738), ("llama-3-8b", 8.030), ("llama-3-70b", 70.554)])
def test_parameters_are_counted_exactly_without_weights(model: str, billions: float) -> None:
    assert round(sizes(model).parameters / 1e9, 3) == billions


def test_adapters_are_as_many_as_peft_makes() -> None:
    rank = 8
    model = adapted(rank=rank)
    expected = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert sizes_of(SMALL).adapter_parameters(Training(lora_rank=rank)) == expected


def test_only_the_named_layers_get_adapters() -> None:
    some = sizes_of(SMALL).adapter_parameters(Training(target_modules="q_proj, v_proj"))
    assert 0 < some < sizes_of(SMALL).adapter_parameters(Training())


def test_nf4_takes_the_bits_it_is_said_to_take() -> None:
    from bitsandbytes.functional import quantize_4bit

    packed, state = quantize_4bit(torch.randn(1024, 1024), quant_type="nf4", compress_statistics=True)
    stored = packed.nbytes + state.absmax.nbytes + state.state2.absmax.nbytes
    assert stored / 1024**2 == pytest.approx(NF4_BYTES, rel=1e-3)


@pytest.mark.parametrize("row_tokens", [96, 320])
@pytest.mark.parametrize(
    ("fused", "kernel", "dropout"),
    [(True, "per_document", 0.0), (False, "sdpa", 0.0), (False, "sdpa", 0.1), (False, "eager", 0.0)],
    ids=["our step", "trl with sdpa", "trl with dropout", "trl with eager attention"],
)
def test_activations_are_foreseen_within_a_fifth(*, fused: bool, kernel: str, dropout: float, row_tokens: int) -> None:
    rows = 2
    kept = kept_for_backward(fused=fused, kernel=kernel, dropout=dropout, rows=rows, row_tokens=row_tokens)
    step = Step(
        config=Training(lora_dropout=dropout), on_gpu=False, fused=fused, attention=kernel, packed=False,
        checkpointing=False, optimizer="adamw_torch", row_tokens=row_tokens,
    )  # fmt: skip
    foreseen = rows * row_tokens * SMALL.num_hidden_layers * kept_bytes_per_token(sizes_of(SMALL), step)
    assert kept == pytest.approx(foreseen, rel=0.2)


@pytest.mark.parametrize(
    ("model", "config", "tokens", "shares", "published_gib"),
    [
        # AnswerDotAI/fsdp_qlora, benchmarks_03_2024.md: two GPUs, 2,048 tokens, the logits whole
        ("llama-2-7b", {"batch_size": 16}, 16 * 2048, False, 20.94),
        ("llama-2-7b", {"batch_size": 2}, 2 * 2048, True, 5.21),
        ("llama-2-7b", {"batch_size": 8}, 8 * 2048, True, 11.22),
        ("llama-2-7b", {"batch_size": 20}, 20 * 2048, True, 20.97),
    ],
)
def test_published_fsdp_qlora_runs_are_met_within_an_eighth(
    *, model: str, config: dict[str, Any], tokens: int, shares: bool, published_gib: float
) -> None:
    settings = config | {"lora_rank": 64, "optimizer": "adamw_torch"}
    given = job(model, "rtx-4090", tokens, config=settings, processes=2, sharded=shares, logits="whole")
    assert estimate_job(given, sizes(model)).peak_bytes / GIB == pytest.approx(published_gib, rel=0.125)


@pytest.mark.parametrize(
    ("tokens", "published_gb"), [(256, 20.1), (1024, 21.5), (2048, 23.8), (4096, 29.7), (8192, 36.6)]
)
def test_published_lora_runs_of_qwen_7b_are_met_within_a_tenth(tokens: int, published_gb: float) -> None:
    """QwenLM/Qwen, README: one A100, batch 1, LoRA, PyTorch 2.0, the logits whole."""
    settings = {"method": "lora", "lora_rank": 64, "optimizer": "adamw_torch"}
    given = job("qwen-7b", tokens=tokens, config=settings, logits="whole")
    assert estimate_job(given, sizes("qwen-7b")).peak_bytes / GIB == pytest.approx(published_gb, rel=0.1)


def test_65b_fits_48_gb_as_the_qlora_paper_says() -> None:
    given = job("llama-1-65b", tokens=512, config={"lora_rank": 64, "optimizer": "paged_adamw_32bit"})
    assert 36e9 < estimate_job(given, sizes("llama-1-65b")).peak_bytes < 48e9


def test_70b_fits_two_24_gb_cards_only_if_they_share_the_weights() -> None:
    one = job("llama-2-70b", "rtx-4090", 2 * 512, config={"batch_size": 2}, processes=2)
    assert not fits(estimate_job(one, sizes("llama-2-70b")), one.hardware)
    shared = replace(one, sharded=True)
    assert fits(estimate_job(shared, sizes("llama-2-70b")), one.hardware)


def test_the_shipped_8b_and_70b_recipes_fit_the_cards_they_name() -> None:
    for model, hardware, batch in (("llama-3-8b", "l4", 4), ("llama-3-70b", "a100-80", 1)):
        settings = {"batch_size": batch, "lora_dropout": 0.05, "optimizer": "paged_adamw_8bit"}
        given = job(model, hardware, batch * 2048, config=settings)
        assert fits(estimate_job(given, sizes(model)), given.hardware)


def test_stacked_experts_stay_bf16_and_only_the_visited_ones_cost_time() -> None:
    found = sizes_of(MixtralConfig())
    assert found.expert_parameters > 0.9 * found.parameters
    assert found.active_parameters < 0.3 * found.parameters
    given = Job(Training(), MixtralConfig(), MACHINES["h200"], 100, 500, 4096)
    said = estimate_job(given, found)
    assert said.memory_bytes["base weights"] > 2 * found.expert_parameters
    assert "experts" in said.assumptions


def test_checkpointing_saves_memory_and_costs_time() -> None:
    with_it, without = (
        job(config={"gradient_checkpointing": on, "batch_size": 4}, tokens=8192) for on in (True, False)
    )
    leaner, faster = (estimate_job(one, sizes("llama-3-8b")) for one in (with_it, without))
    assert leaner.memory_bytes["activations"] < 0.3 * faster.memory_bytes["activations"]
    assert leaner.seconds > faster.seconds


def test_full_fine_tuning_takes_sixteen_bytes_a_parameter() -> None:
    config = Training(method="full", optimizer="adamw_torch")
    step = Step(
        config=config, on_gpu=True, fused=False, attention="sdpa", packed=False, checkpointing=True,
        optimizer="adamw_torch", row_tokens=100,
    )  # fmt: skip
    parts = training_bytes(sizes("llama-2-7b"), step, 100)
    owned = parts["base weights"] + parts["gradients"] + parts["optimiser"]
    assert owned == 16 * sizes("llama-2-7b").parameters


def test_time_grows_with_rows_and_shrinks_with_processes() -> None:
    given = job(config={"batch_size": 2})
    step = Step(
        config=given.config, on_gpu=True, fused=False, attention="sdpa", packed=True, checkpointing=True,
        optimizer="adamw_torch", row_tokens=600,
    )  # fmt: skip
    one, twice, shared = (
        training_seconds(sizes("llama-3-8b"), replace(step, processes=n), Work(rows, 600, 1), given.hardware)[
            "training"
        ]
        for n, rows in ((1, 1000), (1, 2000), (2, 1000))
    )
    assert twice == pytest.approx(2 * one)
    assert shared < one


def test_the_cost_is_that_of_all_processes() -> None:
    given = estimate(
        Training(batch_size=2), MODELS["llama-2-7b"], rows=100, mean_tokens=500, longest_tokens=2000,
        hardware=MACHINES["a100-80"], processes=2, price_per_hour=3.0,
    )  # fmt: skip
    assert given.cost == pytest.approx(given.seconds / 3600 * 6)


def test_the_first_change_that_fits_is_computed() -> None:
    given = job("llama-3-8b", "t4", 16 * 2048, config={"batch_size": 16, "gradient_checkpointing": False})
    found = first_that_fits(given, sizes("llama-3-8b"))
    assert found is not None
    words, changed = found
    assert fits(changed, given.hardware)
    tried = {w: estimate_job(c, sizes("llama-3-8b")) for w, c in changes(given)}
    before = list(tried)[: list(tried).index(words)]
    assert not any(fits(tried[name], given.hardware) for name in before)


def test_a_70b_model_on_a_small_card_is_sent_to_several_of_them() -> None:
    given = job("llama-3-70b", "l4", 4 * 1024, config={"batch_size": 4})
    found = first_that_fits(given, sizes("llama-3-70b"))
    assert found is not None
    assert "FSDP" in found[0]


def test_where_nothing_helps_nothing_is_advised() -> None:
    tiny_card = Hardware("toy", "cuda", 1 * GIB, 1e12, 1e11)
    given = replace(job("llama-3-70b"), hardware=replace(MACHINES["t4"], memory_bytes=tiny_card.memory_bytes))
    assert first_that_fits(given, sizes("llama-3-70b")) is None


def test_a_batch_that_processes_cannot_share_is_made_larger_at_the_same_step() -> None:
    given = job("llama-3-70b", "l4", 2048, config={"batch_size": 1, "gradient_accumulation": 16})
    shared = [changed.config for words, changed in changes(given) if words.startswith("4 GPUs")]
    assert all(c.batch_size % 4 == 0 and c.batch_size * c.gradient_accumulation == 16 for c in shared)


def test_what_a_recipe_says_is_kept_on_named_hardware() -> None:
    given = job(config={"gradient_checkpointing": False, "optimizer": "adamw_torch", "base_weights": "dequantised"})
    plan = plan_for(given)
    assert (plan.gradient_checkpointing, plan.optimizer, plan.base_weights) == (False, "adamw_torch", "dequantised")


def test_unknown_hardware_is_refused_with_what_is_known() -> None:
    with pytest.raises(TrainingError, match="h100"):
        named_machine("abacus")


def test_the_error_is_truth_over_estimate_and_unknown_after_a_resume() -> None:
    assert error(report()) == {"seconds": 2.0, "memory": 0.5}
    assert error(report(resumed_from_step=3)) == {}
    assert error(report(estimate=None)) == {}


def test_earlier_runs_of_the_same_kind_correct_the_time(tmp_path: Path) -> None:
    for seconds in (100.0, 200.0, 400.0):
        note(tmp_path, report(cost=Cost(seconds=seconds, peak_rss_mib=1), model_hash=str(seconds)))
    foreseen = an_estimate()
    assert corrected(tmp_path, foreseen).seconds == 2 * foreseen.seconds
    other = foreseen.model_copy(update={"hardware": "another"})
    assert corrected(tmp_path, other) == other


def test_a_run_is_noted_once_and_half_a_line_does_no_harm(tmp_path: Path) -> None:
    note(tmp_path, report())
    note(tmp_path, report())
    with (tmp_path / "estimates.jsonl").open("a") as file:
        file.write('{"seconds": 9')
    assert len((tmp_path / "estimates.jsonl").read_text().splitlines()) == 2
    assert corrected(tmp_path, an_estimate()).seconds == 200


def an_estimate() -> Estimate:
    return Estimate(
        parameters=1, trainable_parameters=1, memory_bytes={"runtime": 2.0 * 2**20}, seconds=100.0, hardware="toy",
        assumptions={"method": "cpu"},
    )  # fmt: skip


def report(**changed: Any) -> TrainingReport:
    content: dict[str, Any] = {
        "adapter": "a", "model": "m", "model_hash": "h", "base_hash": "b", "data_version": "d", "quantised_layers": 0,
        "trainable_parameters": 1, "total_parameters": 1, "steps": 1, "tokens_per_second": 1.0, "train_loss": 1.0,
        "eval_loss": None, "losses": [], "estimate": an_estimate(), "cost": Cost(seconds=200.0, peak_rss_mib=1.0),
    }  # fmt: skip
    return TrainingReport(**(content | changed))


def adapted(*, kernel: str = "sdpa", dropout: float = 0.0, rank: int = 16) -> Any:
    """SMALL in bf16 with float32 adapters, as it is trained on a CPU."""
    from peft import LoraConfig, get_peft_model

    attention.register()
    base = AutoModelForCausalLM.from_config(SMALL, attn_implementation=kernel).to(torch.bfloat16)
    lora = LoraConfig(r=rank, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base, lora)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model.train()


def kept_for_backward(*, fused: bool, kernel: str, dropout: float, rows: int, row_tokens: int) -> int:
    """Bytes that autograd keeps of a forward pass through the blocks, parameters aside."""
    from tuneloop.training.fast.fused import fuse

    model = adapted(kernel=kernel, dropout=dropout)
    if fused:
        fuse(model)
    ids = torch.randint(3, 500, (rows, row_tokens))
    given: dict[str, Any] = {"input_ids": ids}
    if fused:
        borders = torch.arange(rows + 1, dtype=torch.int32) * row_tokens
        positions = torch.arange(row_tokens).repeat(rows)[None]
        given = {"input_ids": ids.reshape(1, -1), "position_ids": positions, "cu_seq_lens_q": borders}
    own = {p.untyped_storage().data_ptr() for p in (*model.parameters(), *model.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model.get_base_model().model(**given, use_cache=False).last_hidden_state
    return sum(storage.nbytes() for storage in kept.values()) + attention_weights(output.grad_fn)


def attention_weights(node: Any) -> int:
    """Bytes of the attention weights that our layers keep, which the hooks do not see."""
    total = 0
    while node is not None:
        total += sum(w.nbytes for row in getattr(node, "weights", ()) for w in row if w is not None)
        node = next((before for before, _ in node.next_functions if before is not None), None)
    return total
