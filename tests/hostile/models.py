"""Folders of base models that are bombs, damaged or absurd, each made in a few lines. None needs torch to be made."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CONFIG = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "intermediate_size": 128,
    "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320, "dtype": "bfloat16",
}  # fmt: skip
HEADER = {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
TEMPLATE = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"


def model(folder: Path, template: str = TEMPLATE, weights: bytes | None = None, **config: Any) -> None:
    """A folder that looks like a model; a key of `config` that is None is left out."""
    folder.mkdir()
    content = {key: value for key, value in {**CONFIG, **config}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(content))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "model.safetensors").write_bytes(safetensors(HEADER) if weights is None else weights)


def safetensors(header: object, data: bytes = bytes(4)) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def with_file(name: str, content: bytes) -> Callable[[Path], object]:
    def make(folder: Path) -> None:
        model(folder)
        (folder / name).write_bytes(content)

    return make


def with_config(text: str | bytes) -> Callable[[Path], object]:
    return with_file("config.json", text if isinstance(text, bytes) else text.encode())


def with_pipe(folder: Path) -> None:
    model(folder)
    (folder / "tokenizer.json").unlink(missing_ok=True)
    os.mkfifo(folder / "tokenizer.json")


LOOP = "".join(f"{{% for {n} in range(99999) %}}" for n in "abc") + "{% endfor %}" * 3
OVERLAPPING = {n: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for n in "ab"}
BEYOND = {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}

MODELS: Mapping[str, tuple[str, Callable[[Path], object]]] = {
    "a template of loops in loops": ("loops", lambda p: model(p, LOOP)),
    "a template that fills memory": ("memory", lambda p: model(p, "{{ 'x' * 10 ** 10 }}")),
    "a template that writes without end": (
        "endless",
        lambda p: model(p, "{% for a in range(99999) %}{{ 'x' * 999 }}{% endfor %}"),
    ),
    "a template that doubles": (
        "doubling",
        lambda p: model(
            p, "{% set n = namespace(s='x') %}{% for a in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}"
        ),
    ),
    "a template nested deep": ("nested", lambda p: model(p, "{% if a %}" * 5000 + "{% endif %}" * 5000)),
    "a template that is none": ("broken", lambda p: model(p, "{% for %}")),
    "a billion layers": ("layers", lambda p: model(p, num_hidden_layers=10**9)),
    "a hundred layers of one tensor": ("hundred", lambda p: model(p, num_hidden_layers=100)),
    "a million experts": ("experts", lambda p: model(p, num_local_experts=10**6)),
    "a vocabulary without end": ("vocabulary", lambda p: model(p, vocab_size=10**12)),
    "no heads": ("heads", lambda p: model(p, num_attention_heads=0)),
    "layers hidden in a part": ("part", lambda p: model(p, text_config={"num_hidden_layers": 10**9})),
    "attention from the hub": ("kernel", lambda p: model(p, _attn_implementation="kernels-community/flash-attn")),
    "attention from anywhere": ("elsewhere", lambda p: model(p, text_config={"attn_implementation": {"": "a/b:c"}})),
    "a type that is none": ("dtype", lambda p: model(p, dtype="os.system")),
    "code of its own": ("code", lambda p: model(p, auto_map={"AutoModel": "x.Y"})),
    "a configuration nested deep": ("deep", with_config("[" * 100_000)),
    "a configuration of 20 MiB": ("large", with_config(b'{"a": "' + b"x" * 20 * 1024**2 + b'"}')),
    "a configuration that is none": ("none", with_config(b"\x80\x04pickle")),
    "a configuration that is a folder": (
        "folder",
        lambda p: (model(p), (p / "config.json").unlink(), (p / "config.json").mkdir()),
    ),
    "a header of exabytes": ("exabytes", lambda p: model(p, weights=b"\xff" * 7 + b"\x7f{}")),
    "a header of 90 MiB": ("header", lambda p: model(p, weights=safetensors(b'{"a":' + b" " * 90 * 1024**2 + b"1}"))),
    "tensors that overlap": ("overlap", lambda p: model(p, weights=safetensors(OVERLAPPING))),
    "tensors beyond the file": ("beyond", lambda p: model(p, weights=safetensors(BEYOND))),
    "half a file of weights": ("half", lambda p: model(p, weights=safetensors(HEADER)[:20])),
    "a pickle under another name": ("pickle", lambda p: model(p, weights=b"\x80\x02]q\x00.")),
    "a tokenizer of 300 MiB": ("tokenizer", with_file("tokenizer.json", b" " * 300 * 1024**2)),
    "a tokenizer that is a pipe": ("pipe", with_pipe),
    "an index to elsewhere": (
        "index",
        with_file("model.safetensors.index.json", b'{"weight_map": {"a": "../x.safetensors"}}'),
    ),
    "an index that is none": ("list", with_file("model.safetensors.index.json", b'{"weight_map": [[]]}')),
    "only a GGUF of a trillion tensors": (
        "gguf",
        lambda p: (
            model(p),
            (p / "model.safetensors").unlink(),
            (p / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + (10**12).to_bytes(8, "little") * 2),
        ),
    ),
}
