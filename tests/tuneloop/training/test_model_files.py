from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuneloop.errors import ModelError
from tuneloop.training.chat_templates import chat_templates, require_short_templates
from tuneloop.training.model_files import require_sane_config

pytestmark = pytest.mark.integration

LLAMA = {"num_hidden_layers": 32, "hidden_size": 4096, "num_attention_heads": 32, "vocab_size": 128256}
KNOWN = {
    "Llama 3.1 405B": {**LLAMA, "num_hidden_layers": 126, "rope_theta": 500000.0, "torch_dtype": "bfloat16"},
    "Llama 4, ten million tokens": {"text_config": {**LLAMA, "max_position_embeddings": 10485760}, "dtype": None},
    "DeepSeek-V3": {**LLAMA, "num_hidden_layers": 61, "n_routed_experts": 256, "num_nextn_predict_layers": 1},
    "Mamba, with Infinity": {**LLAMA, "time_step_limit": [0.0, float("inf")]},
    "Gemma 3": {"text_config": {**LLAMA, "vocab_size": 262208, "sliding_window": -1, "_attn_implementation": "sdpa"}},
    "a quantised one": {**LLAMA, "quantization_config": {"dtype": "int4", "kernel": "exllama/v2"}},
    "types by part": {**LLAMA, "dtype": {"text_config": "bfloat16", "": "torch.float32"}},
}


@pytest.mark.parametrize("name", KNOWN)
def test_configurations_as_they_are_published_are_accepted(name: str) -> None:
    require_sane_config(KNOWN[name], "config.json", tensors=1000)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("num_hidden_layers", 1001),
        ("n_layer", 10**9),
        ("vocab_size", 2**25),
        ("hidden_size", 0),
        ("eos_token_id", 2**40),
    ],
)
def test_a_number_beyond_all_models_is_refused_by_its_key(key: str, value: int) -> None:
    with pytest.raises(ModelError, match=rf"config\.json: {key} is .*fetch it again"):
        require_sane_config({**LLAMA, key: value}, "config.json")


def test_layers_without_weights_are_refused() -> None:
    with pytest.raises(ModelError, match="32 layers, more than there are tensors"):
        require_sane_config(LLAMA, "config.json", tensors=31)


def with_template(folder: Path, template: str) -> Path:
    (folder / "chat_template.jinja").write_text(template)
    return folder


GOOD_TEMPLATES = {
    "one that refuses system turns": "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}x",
    "one that marks what is generated": "{% generation %}{{ messages[0].content }}{% endgeneration %}",
    "one with loop controls": "{% for m in messages %}{% if m %}{% continue %}{% endif %}{% break %}{% endfor %}",
    "one that tells the date": "{{ strftime_now('%Y') }}{{ tools | tojson }}",
    "one that needs tools": "{{ tools[0].name }}",
}


@pytest.mark.parametrize("name", GOOD_TEMPLATES)
def test_templates_as_they_are_published_are_accepted(tmp_path: Path, name: str) -> None:
    require_short_templates(with_template(tmp_path, GOOD_TEMPLATES[name]))


def test_a_template_that_loops_is_refused_by_its_file(tmp_path: Path) -> None:
    loops = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    with pytest.raises(ModelError, match=r"chat_template\.jinja takes more than 2 s"):
        require_short_templates(with_template(tmp_path, loops))


def test_every_place_of_a_template_is_looked_at(tmp_path: Path) -> None:
    with_template(tmp_path, "a")
    (tmp_path / "additional_chat_templates").mkdir()
    (tmp_path / "additional_chat_templates" / "rag.jinja").write_text("b")
    named = [{"name": "default", "template": "c"}, {"name": "tools", "template": "d"}]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": named}))

    assert {template for _, template in chat_templates(tmp_path)} == set("abcd")
