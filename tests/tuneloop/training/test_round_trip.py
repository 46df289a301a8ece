"""The same recipe gives the same bytes, and what is written down stops where the template says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chat_templates import FAMILIES, make_tokenizer
from tests.tiny_models import make_tiny_model
from tuneloop.chat import load_tokenizer, stop_ids
from tuneloop.recipes import Training
from tuneloop.results import TrainingReport
from tuneloop.training import fine_tune

pytestmark = pytest.mark.integration

CONFIG = Training(epochs=0.5, batch_size=4, learning_rate=5e-3, lora_rank=4, lora_alpha=8, save_every_steps=50)


def train(tiny: Path, train_file: Path, validation_file: Path, out: Path, config: Training) -> TrainingReport:
    return fine_tune(
        base=tiny, train_file=train_file, validation_file=validation_file, out=out, system_prompt="Be brief.",
        max_tokens=400, config=config, data_version="v1", threads=2, merge=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("step", "dropout", "chosen"),
    [
        ("fused", 0.0, "fused lanes"),
        pytest.param("trl", 0.0, "trl", marks=pytest.mark.slow),
        ("auto", 0.2, "trl"),
    ],
)
def test_two_runs_with_one_seed_give_the_same_adapter_to_the_bit_and_another_seed_another(
    tiny: Path, train_file: Path, validation_file: Path, tmp_path: Path, step: Any, dropout: float, chosen: str
) -> None:
    """Threads would draw their dropout masks from one generator at the same time, so with dropout there are none."""
    config = CONFIG.model_copy(update={"step": step, "lora_dropout": dropout})
    seeds = {"first": 1, "second": 1, "other": 2}
    reports = {
        name: train(tiny, train_file, validation_file, tmp_path / name, config.model_copy(update={"seed": seed}))
        for name, seed in seeds.items()
    }
    adapters = {name: (Path(r.adapter) / "adapter_model.safetensors").read_bytes() for name, r in reports.items()}

    assert reports["first"].chosen["step"] == chosen
    assert reports["first"].losses == reports["second"].losses
    assert adapters["first"] == adapters["second"] != adapters["other"]


def test_a_saved_model_stops_at_the_end_of_a_turn_though_its_base_did_not_know_it(tmp_path: Path) -> None:
    """Gemma's `eos` is another token than the one that closes a turn; servers read the generation configuration."""
    from transformers import AutoModelForCausalLM, GenerationConfig

    from tuneloop.training.export.merging import save_model

    base = make_tiny_model(tmp_path / "base", layers=1, hidden=32)
    make_tokenizer(FAMILIES["gemma"], base)
    tokenizer = load_tokenizer(base)
    save_model(AutoModelForCausalLM.from_pretrained(base), base, tmp_path / "model")
    ends = GenerationConfig.from_pretrained(tmp_path / "model").eos_token_id
    assert ends == stop_ids(tokenizer)
    assert tokenizer.convert_tokens_to_ids("<end_of_turn>") in ends
