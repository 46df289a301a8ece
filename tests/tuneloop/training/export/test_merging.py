"""A merged model is base plus adapter, rounded, or it is not written."""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest

from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.training.checkpoints import beside
from tuneloop.training.export import merging
from tuneloop.training.export.merging import Difference, compare, load_adapted, merge_adapter, predictions
from tuneloop.training.loading import load_base

pytestmark = pytest.mark.integration

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
def test_a_sound_merge_differs_by_rounding_only(method: Any, options: Any, tiny: Path, tmp_path: Path) -> None:
    kind = make_adapter(tiny, tmp_path / "adapter", **options)
    merge = merge_adapter(tiny, kind, tmp_path / "model", Training(method=method), PROBES)
    assert 0 < merge.rounding.divergence < 0.01 * merge.learned.divergence
    assert merge.rounding.tokens == sum(map(len, PROBES))
    assert not list(tmp_path.glob(".*-unfinished"))


@pytest.mark.parametrize("size", [1e-4, 300.0], ids=["next to nothing learned", "weights that round coarsely"])
def test_rounding_is_reported_and_fails_no_sound_merge_however_large_it_is_beside_what_was_learned(
    size: float, tiny: Path, tmp_path: Path
) -> None:
    adapter = make_adapter(tiny, tmp_path / "adapter", size=size)
    merge = merge_adapter(tiny, adapter, tmp_path / "model", Training(), PROBES)
    assert merge.rounding.divergence > 0.01 * merge.learned.divergence
    assert (tmp_path / "model" / "model.safetensors").is_file()


def test_rounding_is_that_of_the_files_written(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    import torch

    merge = merge_adapter(tiny, adapter, tmp_path / "model", Training(method="qlora"), PROBES)
    written = load_base(tmp_path / "model", dtype=torch.float32, attention="sdpa", device="cpu").eval()
    reference = load_adapted(tiny, adapter, on_nf4=True).float()
    assert compare(predictions(reference, PROBES), predictions(written, PROBES)) == merge.rounding


def test_what_was_learned_is_the_change_from_the_base_without_the_adapter(
    tiny: Path, adapter: Path, tmp_path: Path
) -> None:
    import torch

    merge = merge_adapter(tiny, adapter, tmp_path / "model", Training(method="lora"), PROBES)
    base = load_base(tiny, dtype=torch.bfloat16, attention="sdpa", device="cpu").eval().float()
    reference = load_adapted(tiny, adapter, on_nf4=False).float()
    assert compare(predictions(reference, PROBES), predictions(base, PROBES)) == merge.learned


def judged(tiny: Path, adapter: Path, merged: Any) -> None:
    """Hold predictions against those of the adapter, as after a merge in float32."""
    adapted = load_adapted(tiny, adapter, on_nf4=True).float()
    reference = predictions(adapted, PROBES)
    with adapted.disable_adapter():
        learned = compare(reference, predictions(adapted, PROBES))
    merging._require_same_answers(compare(reference, predictions(merged, PROBES)), learned, adapter)


def test_a_merge_in_float32_changes_nothing(tiny: Path, adapter: Path) -> None:
    judged(tiny, adapter, merging._merge_by_layer(load_adapted(tiny, adapter, on_nf4=True).float(), adapter))


def test_a_base_that_was_not_rounded_as_in_training_is_an_error(tiny: Path, adapter: Path) -> None:
    with pytest.raises(TrainingError, match="answers otherwise than before"):
        judged(tiny, adapter, load_adapted(tiny, adapter, on_nf4=False).float())


def test_every_single_layer_merged_twice_is_an_error(tiny: Path, adapter: Path) -> None:
    from peft.tuners.lora import LoraLayer

    adapted = load_adapted(tiny, adapter, on_nf4=True).float()
    layers = [module for module in adapted.modules() if isinstance(module, LoraLayer)]
    assert len(layers) == 14
    for layer in layers:
        layer.scaling["default"] *= 2
        with pytest.raises(TrainingError, match="answers otherwise than before"):
            judged(tiny, adapter, adapted)
        layer.scaling["default"] /= 2


def test_a_layer_that_does_not_merge_as_it_adds_is_named(tiny: Path, adapter: Path) -> None:
    """As a library might merge a kind of layer that it knows half; seen in any precision, however large the model."""
    from peft.tuners.lora import LoraLayer

    adapted = load_adapted(tiny, adapter, on_nf4=True)
    layer = [module for module in adapted.modules() if isinstance(module, LoraLayer)][3]
    layer.merge = functools.partial(merge_twice, layer)
    with pytest.raises(TrainingError, match=r"outputs of \S*o_proj are off by 100% of what it adds"):
        merging._merge_by_layer(adapted, adapter)


def merge_twice(layer: Any) -> None:
    layer.scaling["default"] *= 2
    type(layer).merge(layer)


def test_the_model_in_memory_answers_as_its_files_do_to_the_bit(tiny: Path, adapter: Path, tmp_path: Path) -> None:
    """Rotary frequencies, which are in no file, would be rounded in memory alone if the whole model were cast."""
    merged = merging._merge_by_layer(load_adapted(tiny, adapter, on_nf4=True).float(), adapter)
    merging._write(merged, tiny, tmp_path)
    read = merging._read_back(tmp_path, exact=True, scores=False)
    assert compare(predictions(merged.float(), PROBES), predictions(read, PROBES)).max_logit == 0


def test_files_that_are_not_read_back_as_written_are_an_error(tiny: Path, adapter: Path) -> None:
    written = Difference(divergence=1e-5, agreement=0.99, max_logit=0.1, tokens=67)
    with pytest.raises(TrainingError, match=r"not read back as it was written.*Is the disk sound"):
        merging._require_as_written(written, adapter)


def test_a_damaged_adapter_is_an_error_and_leaves_the_old_model_as_it_was(tiny: Path, tmp_path: Path) -> None:
    old = tmp_path / "model"
    old.mkdir()
    (old / "config.json").write_text("old")
    damaged = make_adapter(tiny, tmp_path / "damaged", size=math.inf)
    with pytest.raises(TrainingError, match="no merged model was written"):
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
    assert compare([torch.tensor([[1.0]])], [torch.tensor([[-1.0]])]).divergence > 0.1
