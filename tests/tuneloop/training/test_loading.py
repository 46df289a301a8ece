"""Whatever the adapters' kind, what was trained is what is saved and merged; what cannot be is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import make_tiny_model
from tuneloop.chat import load_tokenizer
from tuneloop.errors import ModelError, RecipeError
from tuneloop.recipes import Training
from tuneloop.training.loading import Loaded, load_base, load_for_training, load_nf4
from tuneloop.training.lora import save_adapter
from tuneloop.training.plan import Plan

pytestmark = pytest.mark.integration

IDS = torch.arange(5, 45)[None]


def load(base: Path, start: Path | None = None, base_weights: Any = None, **settings: Any) -> Loaded:
    config = Training(**{"lora_rank": 4, "lora_alpha": 8, **settings})
    weights = base_weights or ("dequantised" if config.method == "qlora" else "plain")
    plan = Plan(
        device="cpu", fast=False, threads=1, attention="sdpa", base_weights=weights, gradient_checkpointing=False,
        optimizer="adamw_torch", compute="bfloat16", packing=False, liger_kernel=False,
    )  # fmt: skip
    return load_for_training(base, config, plan, start)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        output: torch.Tensor = model.eval()(input_ids=IDS).logits.float()
    return output


def trained(loaded: Loaded) -> Loaded:
    """Adapters with other values than they started with."""
    generator = torch.Generator().manual_seed(3)
    for parameter in loaded.model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    return loaded


@pytest.mark.parametrize(
    ("method", "variant", "init"),
    [
        ("qlora", "lora", "zero"),
        ("qlora", "rslora", "zero"),
        ("qlora", "dora", "zero"),
        ("qlora", "lora", "loftq"),
        ("qlora", "rslora", "loftq"),
        ("lora", "dora", "zero"),
        ("lora", "lora", "pissa"),
        ("lora", "rslora", "pissa"),
    ],
)
def test_the_merged_model_says_what_the_trained_one_said(
    tiny: Path, tmp_path: Path, method: Any, variant: str, init: str
) -> None:
    from peft import PeftModel

    loaded = trained(load(tiny, method=method, lora_variant=variant, lora_init=init))
    save_adapter(loaded.model, loaded.taken, tmp_path)
    if method == "qlora":
        base, _ = load_nf4(tiny, attention="sdpa", device="cpu", dequantise=True)
    else:
        base = load_base(tiny, dtype=torch.bfloat16, attention="sdpa", device="cpu")
    merged: Any = PeftModel.from_pretrained(base.float(), str(tmp_path)).merge_and_unload()
    before, untouched = logits(loaded.model.float()), logits(load(tiny, method=method).model.float())
    off = (logits(merged) - before).abs().max()
    assert (before - untouched).abs().max() > 0.5, "the adapters say something"
    assert off < (0.1 if init == "pissa" else 0.01), "PiSSA's base was rounded to bf16 after the cut"


def test_pissa_starts_at_the_base_and_with_its_largest_directions(tiny: Path) -> None:
    loaded = load(tiny, method="lora", lora_init="pissa")
    plain = load_base(tiny, dtype=torch.bfloat16, attention="sdpa", device="cpu")
    torch.testing.assert_close(logits(loaded.model.float()), logits(plain.float()), rtol=0.05, atol=0.1)
    assert len(loaded.taken) == 28


@pytest.mark.parametrize("base_weights", ["packed", "dequantised"])
def test_loftq_starts_nearer_to_the_base_than_its_rounded_weights_are(tiny: Path, base_weights: str) -> None:
    from peft.utils.integrations import dequantize_module_weight

    whole = load_base(tiny, dtype=torch.float32, attention="sdpa", device="cpu").model.layers[0].mlp.up_proj.weight
    model = load(tiny, lora_init="loftq", lora_rank=16, lora_alpha=32, base_weights=base_weights).model
    layer = model.get_base_model().model.layers[0].mlp.up_proj
    rounded = dequantize_module_weight(layer.get_base_layer()).float()
    lost, still_lost = (whole - rounded).norm(), (whole - rounded - layer.get_delta_weight("default").float()).norm()
    assert still_lost < 0.85 * lost


@pytest.mark.parametrize(
    ("settings", "advice"),
    [
        ({"method": "qlora", "lora_init": "pissa"}, "loftq"),
        ({"method": "lora", "lora_init": "loftq"}, "zero"),
        ({"method": "lora", "lora_init": "pissa", "lora_variant": "dora"}, "one of them"),
        ({"method": "lora", "lora_init": "pissa", "objective": "reward"}, "zero"),
    ],
)
def test_what_would_merge_wrongly_is_refused_with_what_to_set(
    tiny: Path, settings: dict[str, Any], advice: str
) -> None:
    with pytest.raises(RecipeError, match=advice):
        load(tiny, **settings)


@pytest.fixture(scope="module")
def start(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start") / "adapter"
    save_adapter(trained(load(tiny)).model, {}, folder)
    return folder


def test_a_run_goes_on_from_the_adapter_it_is_given(tiny: Path, start: Path) -> None:
    loaded = load(tiny, start)
    assert torch.equal(logits(loaded.model), logits(trained(load(tiny)).model))
    assert loaded.trainable_parameters == load(tiny).trainable_parameters


@pytest.mark.parametrize(
    ("settings", "difference"),
    [
        ({"lora_rank": 8}, "lora_rank is 4 there and 8 here"),
        ({"lora_alpha": 4}, "lora_alpha is 8 there and 4 here"),
        ({"lora_variant": "dora"}, "lora_variant is lora there and dora here"),
        ({"target_modules": "q_proj, v_proj"}, "and q_proj,v_proj here"),
        ({"objective": "reward"}, "task is CAUSAL_LM there and SEQ_CLS here"),
    ],
)
def test_an_adapter_of_another_kind_is_refused_with_the_difference(
    tiny: Path, start: Path, settings: dict[str, Any], difference: str
) -> None:
    with pytest.raises(ModelError, match=difference):
        load(tiny, start, **settings)


def test_an_adapter_of_another_base_is_refused_but_not_of_the_same_one_elsewhere(
    tiny: Path, start: Path, tmp_path: Path
) -> None:
    load(shutil.copytree(tiny, tmp_path / "moved"), start)
    with pytest.raises(ModelError, match="other weights"):
        load(make_tiny_model(tmp_path / "other", seed=1), start)


def test_an_adapter_that_could_run_code_is_refused(tiny: Path, start: Path, tmp_path: Path) -> None:
    shutil.copy(start / "adapter_config.json", tmp_path)
    (tmp_path / "adapter_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="safetensors"):
        load(tiny, tmp_path)


def test_full_training_has_no_adapter_to_go_on_from(tiny: Path, start: Path) -> None:
    with pytest.raises(RecipeError, match="method: full has none"):
        load(tiny, start, method="full")


@pytest.mark.parametrize("base_weights", ["packed", "dequantised"])
def test_a_reward_model_has_one_score_whose_layer_is_trained_whole(tiny: Path, base_weights: str) -> None:
    loaded = load(tiny, objective="reward", base_weights=base_weights)
    trainable = {name for name, p in loaded.model.named_parameters() if p.requires_grad}
    assert loaded.quantised_layers == 14
    assert any("score" in name for name in trainable)
    assert not any("score" in name and "lora" in name for name in trainable)
    assert loaded.model.config.pad_token_id == load_tokenizer(tiny).pad_token_id
    assert logits(loaded.model).shape == (1, 1)
