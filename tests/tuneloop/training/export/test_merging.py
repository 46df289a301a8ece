"""A merged model answers as the adapter on its base does, or it is not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.training.export.merging import LIMIT, compare, load_adapted, merge_adapter, predictions
from tuneloop.training.keeping import beside
from tuneloop.training.loading import load_base

PROBES = [[1, 20, 31, 42, 53, 64, 75, 86, 97, 108], list(range(3, 60))]


def make_adapter(base: Path, folder: Path, *, size: float = 0.05, **options: Any) -> Path:
    """Adapters of rank 4 on every linear layer, as training might leave them: B is not zero any more."""
    import torch
    from peft import LoraConfig, get_peft_model

    model = load_base(base, dtype=torch.float32, attention="sdpa", device="cpu")
    config = LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM", **options)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        adapted = get_peft_model(model, config)
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=size)
    adapted.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_adapter(tiny, tmp_path_factory.mktemp("adapter"))


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("qlora", {}),
        ("lora", {}),
        ("lora", {"use_rslora": True}),
        ("lora", {"use_dora": True}),
        ("qlora", {"use_dora": True}),
    ],
    ids=["qlora", "lora", "rslora", "dora", "dora on nf4"],
)
def test_a_sound_merge_answers_as_the_adapter_does(method: Any, options: Any, tiny: Path, tmp_path: Path) -> None:
    kind = make_adapter(tiny, tmp_path / "adapter", **options)
    difference = merge_adapter(tiny, kind, tmp_path / "model", Training(method=method), PROBES)
    assert difference.divergence < LIMIT / 2
    assert difference.tokens == sum(map(len, PROBES))
    assert not list(tmp_path.glob(".*-unfinished"))


def test_the_difference_is_that_of_the_files_written(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    import torch

    difference = merge_adapter(tiny, adapter, tmp_path / "model", Training(method="qlora"), PROBES)
    written = load_base(tmp_path / "model", dtype=torch.float32, attention="sdpa", device="cpu").eval()
    reference = load_adapted(tiny, adapter, on_nf4=True).float()
    assert compare(predictions(reference, PROBES), predictions(written, PROBES)) == difference


def test_the_adapter_does_something_that_the_limit_would_see_missing(tiny: Path, adapter: Path) -> None:
    adapted = load_adapted(tiny, adapter, on_nf4=True).float()
    with_it = predictions(adapted, PROBES)
    with adapted.disable_adapter():
        assert compare(with_it, predictions(adapted, PROBES)).divergence > LIMIT


def test_a_base_that_was_not_rounded_as_in_training_would_be_seen(tiny: Path, adapter: Path) -> None:
    trained, other = (predictions(load_adapted(tiny, adapter, on_nf4=nf4).float(), PROBES) for nf4 in (True, False))
    assert compare(trained, other).divergence > LIMIT


def test_one_layer_whose_adapter_is_scaled_wrongly_would_be_seen(tiny: Path, adapter: Path) -> None:
    from peft.tuners.lora import LoraLayer

    adapted = load_adapted(tiny, adapter, on_nf4=True).float()
    sound = predictions(adapted, PROBES)
    layer = [module for module in adapted.modules() if isinstance(module, LoraLayer)][-1]
    layer.scaling["default"] *= 8
    assert compare(sound, predictions(adapted, PROBES)).divergence > LIMIT


def test_a_damaged_merge_is_an_error_and_leaves_the_old_model_as_it_was(
    tiny: Path, tmp_path: Path, adapter: Path
) -> None:
    old = tmp_path / "model"
    old.mkdir()
    (old / "config.json").write_text("old")
    # Weights this large are rounded to bf16 so coarsely that the merged model is another one.
    damaged = make_adapter(tiny, tmp_path / "damaged", size=300.0)
    with pytest.raises(TrainingError, match=r"nats per token \(limit .*no merged model was written"):
        merge_adapter(tiny, damaged, old, Training(method="lora"), PROBES)
    assert (old / "config.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_a_kill_left_of_a_merge_is_written_over(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    left = beside(tmp_path / "model")
    left.mkdir(parents=True)
    (left / "stray.safetensors").write_bytes(b"half")
    merge_adapter(tiny, adapter, tmp_path / "model", Training(method="lora"), PROBES)
    assert not (tmp_path / "model" / "stray.safetensors").exists()
    assert not left.exists()


def test_predictions_that_are_no_numbers_count_as_wholly_different() -> None:
    import torch

    broken = torch.tensor([[0.0, float("nan")]])
    assert compare([torch.zeros(1, 2)], [broken]).divergence == float("inf")


def test_scores_are_compared_as_odds() -> None:
    import torch

    assert compare([torch.tensor([[1.0]])], [torch.tensor([[1.0]])]).divergence == 0
    assert compare([torch.tensor([[1.0]])], [torch.tensor([[-1.0]])]).divergence > LIMIT
