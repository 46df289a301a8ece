from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.tiny_models import make_tiny_model
from tuneloop.evaluation import fast_decoding
from tuneloop.evaluation.fast_decoding.network import first_best
from tuneloop.evaluation.fast_decoding.prompts import SharedPrefix, _causal
from tuneloop.evaluation.language_model import LanguageModel

pytestmark = pytest.mark.integration

SHAPE = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "initializer_range": 0.1,
    "pad_token_id": 2,
}
STOP = frozenset(range(2, 14))
OPENING = [5, 6, 5]
LENGTHS = (40, 33, 33, 30, 21, 20, 20, 18, 17, 11, 9, 8, 7, 5, 4, 3, 2, 1)
"""More rows than a group has, and some answers that end early, so that rows leave and padding shrinks."""


def random_model(kind: str) -> Any:
    """A tiny random model; biases and norms are made to matter."""
    import transformers

    special = {"Qwen3": {"head_dim": 32}, "Mistral": {"sliding_window": None}}.get(kind, {})
    with torch.random.fork_rng():
        torch.manual_seed(3)
        config = getattr(transformers, f"{kind}Config")(**SHAPE, **special)
        model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
        for name, weight in model.named_parameters():
            if "bias" in name or "norm" in name:
                weight.data += 0.3 * torch.randn_like(weight)
    return model


def random_prompts() -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return [OPENING + torch.randint(14, 320, (n,), generator=generator).tolist() for n in LENGTHS]


def flat(rows: list[list[float]]) -> list[float]:
    return [number for row in rows for number in row]


def answers_one_by_one(model: Any, prompts: list[list[int]]) -> list[list[int]]:
    from transformers import GenerationConfig

    greedy = GenerationConfig(do_sample=False, max_new_tokens=24, eos_token_id=sorted(STOP), pad_token_id=2)
    rows = (model.generate(input_ids=torch.tensor([p]), generation_config=greedy)[0] for p in prompts)
    return [row[len(prompt) :].tolist() for row, prompt in zip(rows, prompts, strict=True)]


@pytest.mark.parametrize("kind", ["Llama", "Mistral", "Qwen2", "Qwen3"])
def test_the_fast_path_says_token_for_token_what_generate_says(kind: str) -> None:
    model, prompts = random_model(kind), random_prompts()
    expected = answers_one_by_one(model, prompts)
    assert fast_decoding.can_run(model)
    network = fast_decoding.FastNetwork(model)
    assert fast_decoding.generate(network, prompts, stop=STOP, max_new_tokens=24) == expected
    assert len({len(answer) for answer in expected}) >= 3  # so rows have left the batch
    assert answers_one_by_one(model, prompts[:3]) == expected[:3]  # the model itself is still whole


@pytest.mark.parametrize("kind", ["Llama", "Qwen3"])
def test_the_losses_of_the_fast_path_are_those_of_the_model(kind: str) -> None:
    model = random_model(kind)
    texts = random_prompts()
    starts = [max(1, len(text) // 2) for text in texts]
    expected = []
    for text, start in zip(texts, starts, strict=True):
        with torch.no_grad():
            logits = model(torch.tensor([text])).logits[0, start - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(text[start:]), reduction="none")
        expected.append(loss.tolist())
    found = fast_decoding.answer_losses(fast_decoding.FastNetwork(model), texts, starts)
    assert [len(x) for x in found] == [len(x) for x in expected]
    assert flat(found) == pytest.approx(flat(expected), abs=1e-4)


def test_what_prompts_share_is_found_but_each_keeps_a_token_of_its_own() -> None:
    network = fast_decoding.FastNetwork(random_model("Llama"))
    with torch.inference_mode():
        assert SharedPrefix(network, [[1, 2, 3, 4], [1, 2, 5]]).length == 2
        assert SharedPrefix(network, [[1, 2, 3], [1, 2, 3]]).length == 2
        assert SharedPrefix(network, [[1], [1, 2]]).length == 0


@pytest.mark.parametrize("length", [1, 2, 63, 64, 65, 257, 258, 600])
def test_attention_in_blocks_is_attention(length: int) -> None:
    generator = torch.Generator().manual_seed(length)
    q, k, v = (torch.randn(heads, 16, length, generator=generator) for heads in (4, 2, 2))
    scores = torch.einsum("hdi,hdj->hij", q, k.repeat_interleave(2, 0))
    scores.masked_fill_(torch.ones(length, length).triu(1).bool(), float("-inf"))
    expected = torch.einsum("hij,hdj->hdi", scores.softmax(-1), v.repeat_interleave(2, 0)).flatten(0, 1)
    torch.testing.assert_close(_causal(q, k, v), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.skipif(not torch.cpu.get_capabilities().get("amx_bf16"), reason="other products sum by the batch's width")
@pytest.mark.parametrize("kind", ["Llama", "Qwen3"])
def test_in_bf16_an_answer_does_not_hang_on_what_else_is_in_its_batch(kind: str) -> None:
    network = fast_decoding.FastNetwork(random_model(kind).bfloat16())
    prompts = random_prompts()

    def said(some: list[list[int]]) -> list[list[int]]:
        return fast_decoding.generate(network, some, stop=STOP, max_new_tokens=80)

    alone = [said([prompt])[0] for prompt in prompts]
    assert said(prompts) == alone
    assert said(prompts[3:8]) == alone[3:8]


@pytest.mark.parametrize("vocabulary", [512, 320, 257])
def test_the_blockwise_arg_max_is_the_arg_max(vocabulary: int) -> None:
    scores = torch.randn(vocabulary, 7, generator=torch.Generator().manual_seed(0))
    assert first_best(scores).tolist() == scores.argmax(0).tolist()


@pytest.mark.parametrize("change", [{"model_type": "gemma2"}, {"hidden_act": "gelu"}, {"sliding_window": 128}])
def test_a_variant_that_the_fast_path_does_not_know_is_left_to_transformers(change: dict[str, Any]) -> None:
    model = random_model("Mistral")
    for name, value in change.items():
        setattr(model.config, name, value) if name != "model_type" else setattr(type(model.config), name, value)
    try:
        assert not fast_decoding.can_run(model)
    finally:
        type(model.config).model_type = "mistral"


def test_both_paths_of_a_model_folder_agree(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path / "tiny")
    fast, slow = (LanguageModel(folder, threads=2, dtype=torch.float32, fast=fast) for fast in (None, False))
    prompts = random_prompts()
    assert fast.answers(prompts, max_new_tokens=12) == slow.answers(prompts, max_new_tokens=12)
    starts = [1] * len(prompts)
    fast_losses, slow_losses = fast.losses(prompts, starts), slow.losses(prompts, starts)
    assert flat(fast_losses) == pytest.approx(flat(slow_losses), abs=1e-4)


def test_the_number_of_threads_is_put_back(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    LanguageModel(make_tiny_model(tmp_path / "tiny"), threads=3).answers([[5, 6]], max_new_tokens=2)
    assert torch.get_num_threads() == before
