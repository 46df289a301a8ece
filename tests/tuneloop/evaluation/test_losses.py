from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.tiny_models import make_tiny_model
from tuneloop.errors import DataError, ModelError
from tuneloop.evaluation import language_model
from tuneloop.evaluation.fast_decoding import prompts
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses, text_losses
from tuneloop.records import Message, Record

pytestmark = pytest.mark.integration

Fast = bool | None
paths = pytest.mark.parametrize("fast", [None, False], ids=["fast", "slow"])
RECORDS = [
    Record(
        f"r{i}",
        (Message("user", "Where is it?" + " Please." * i), Message("assistant", "On its way. " * (i + 1))),
        "here",
        1,
    )
    for i in range(3)
]


class Largest(TorchDispatchMode):
    """Remembers how many elements the largest tensor had that any operation made."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.elements = max(self.elements, made.numel())
        return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("model") / "tiny")


def plain_losses(folder: Path, ids: list[int], start: int) -> list[float]:
    """In one piece, from transformers' own forward."""
    from transformers import AutoModelForCausalLM

    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, start - 1 : -1]
    return [float(x) for x in torch.nn.functional.cross_entropy(logits, torch.tensor(ids[start:]), reduction="none")]


@paths
@pytest.mark.parametrize("start", [1, 7, 899])
def test_losses_of_a_long_text_are_those_of_one_piece(folder: Path, fast: Fast, start: int) -> None:

    ids = [14 + (7 * place * place) % 300 for place in range(900)]
    assert len(ids) > 3 * language_model.LOSSES_AT_ONCE
    (found,) = LanguageModel(folder, threads=1, dtype=torch.float32, fast=fast).losses([ids], [start])
    assert found == pytest.approx(plain_losses(folder, ids, start), abs=1e-4)


@paths
def test_no_more_logits_exist_at_once_than_a_fixed_number_of_places_has(fast: Fast, tmp_path: Path) -> None:
    vocabulary, length = 4_096, 4 * language_model.LOSSES_AT_ONCE
    wide = make_tiny_model(tmp_path / "wide", vocabulary=vocabulary, layers=1, hidden=16)
    model = LanguageModel(wide, threads=1, dtype=torch.float32, fast=fast)
    model.load()
    with Largest() as largest:
        model.losses([[place % 320 for place in range(length)]], [1])
    assert largest.elements <= max(language_model.LOSSES_AT_ONCE, prompts.LOGITS_AT_ONCE) * vocabulary


@paths
def test_generation_keeps_no_logits_beyond_the_step(fast: Fast, tmp_path: Path) -> None:
    vocabulary, rows = 4_096, 3
    wide = make_tiny_model(tmp_path / "wide", vocabulary=vocabulary, layers=1, hidden=16)
    model = LanguageModel(wide, threads=1, dtype=torch.float32, fast=fast)
    model.load()
    with Largest() as largest:
        model.answers([[place % 320 for place in range(200)]] * rows, max_new_tokens=8, stop=frozenset())
    assert largest.elements <= max(rows * vocabulary, vocabulary * 16)  # the step's logits, or the embedding itself


def test_the_loss_of_a_record_is_the_mean_over_its_answer_and_the_end_of_the_turn(folder: Path) -> None:
    from tuneloop import chat

    model = LanguageModel(folder, threads=1)
    ids, labels = chat.example_ids(model.tokenizer, RECORDS[1], "Be kind.")
    start = next(place for place, label in enumerate(labels) if label != chat.IGNORED)
    (loss,) = answer_losses(model, RECORDS[1:2], "Be kind.")
    assert loss == pytest.approx(math.fsum(plain_losses(folder, ids, start)) / (len(ids) - start), rel=0.02)


def test_each_record_keeps_its_own_loss_whatever_is_beside_it(folder: Path) -> None:

    model = LanguageModel(folder, threads=2, dtype=torch.float32)
    alone = [answer_losses(model, [record], "")[0] for record in RECORDS]
    assert answer_losses(model, RECORDS[::-1] * 4, "") == pytest.approx(alone[::-1] * 4, abs=1e-5)


def test_a_text_of_one_token_is_refused_with_advice(folder: Path) -> None:
    with pytest.raises(DataError, match="a few words"):
        text_losses(LanguageModel(folder, threads=1), ["a"])


def test_nothing_has_no_losses(folder: Path) -> None:
    assert answer_losses(LanguageModel(folder), [], "") == []


def test_a_model_that_has_diverged_is_refused(folder: Path, tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"] *= math.nan
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lower the learning rate"):
        answer_losses(LanguageModel(broken, threads=1), RECORDS, "")
