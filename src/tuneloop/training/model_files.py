"""What a model's own files may say, checked before any library builds or allocates what they ask for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tuneloop.errors import ModelError
from tuneloop.readable_files import MIB, fault_of

MAX_BYTES = {
    "config.json": 1 * MIB,
    "tokenizer.json": 256 * MIB,
    "chat_template.jinja": 1 * MIB,
    "tokenizer.model": 64 * MIB,
}
MAX_OTHER_BYTES = 64 * MIB
MAX_HEADER_BYTES = 32 * MIB
"""Of a safetensors file; a model of 60,000 tensors in one file has some 6 MiB."""

MAX_LAYERS = 1000
MAX_EXPERTS = 4096
MAX_LAYERS_OF_EXPERTS = 100_000
"""Layers times experts: each may become a module. DeepSeek-V3 has 61 times 256."""
MAX_SIZE = 2**24
MAX_NUMBER = 2**31
LENGTH_BYTES = 8

DTYPES = {"float32", "float64", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2", "auto", "half", "float"}
_LAYERS = re.compile(r"(n|num)(_\w+)?_(layers?|blocks)|(encoder|decoder)_layers")
_EXPERTS = re.compile(r"(n|num)(_\w+)?_experts")
_SIZES = re.compile(r"\w*(_size|_dim|_heads|_width|_rank|_embd|_inner)|[nd]_(embd|head|model|inner)")
_NEEDED = {"num_hidden_layers", "hidden_size", "num_attention_heads", "vocab_size"}


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON file that came with a model; {} where it is no object.

    Raises:
        ModelError: it is no JSON, or larger or deeper than such a file is.
    """
    require_size(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        problem = "nested too deep" if isinstance(error, RecursionError) else str(error)
        raise ModelError(f"{path} is not JSON ({problem}); fetch it again") from error
    return content if isinstance(content, Mapping) else {}


def require_size(path: Path) -> None:
    """Refuse a file of a model that is no file, or absurdly large. Weights may have any size.

    Raises:
        ModelError: names the file.
    """
    limit = None if path.suffix == ".safetensors" else MAX_BYTES.get(path.name, MAX_OTHER_BYTES)
    if fault := fault_of(path, max_bytes=limit, remedy="no model needs more, take another"):
        raise ModelError(f"{path} {fault}")


def require_sane_config(config: Mapping[str, Any], where: Path | str, *, tensors: int | None = None) -> None:
    """Refuse a configuration of which no model can be built, or only one that never ends.

    Args:
        config: the content of config.json, as it is.
        where: what errors name.
        tensors: how many the weights have, where they are there.

    Raises:
        ModelError: names the key.
    """
    most = {"layers": 0, "experts": 1}
    for key, value in _entries(config):
        if "implementation" in key or "kernel" in key:
            _refuse_kernels(key, value, where)
        elif key in ("dtype", "torch_dtype"):
            _require_dtype(key, value, where)
        elif isinstance(value, int) and not isinstance(value, bool):
            kind, limit = _limit_of(key)
            lowest = 1 if key in _NEEDED else -MAX_NUMBER
            if not lowest <= value <= limit:
                raise ModelError(
                    f"{where}: {key} is {value:.6g}, and a model has {lowest if lowest == 1 else 'at most'}"
                    f"{' to' if lowest == 1 else ''} {limit:,}; the file is damaged or forged, fetch it again"
                )
            most[kind] = max(most.get(kind, 0), value)
    _require_buildable(most["layers"], most["experts"], tensors, where)


def _require_buildable(layers: int, experts: int, tensors: int | None, where: Path | str) -> None:
    if layers * experts > MAX_LAYERS_OF_EXPERTS:
        raise ModelError(
            f"{where}: {layers:,} layers of {experts:,} experts are more than any model has; fetch it again"
        )
    if tensors is not None and layers > tensors:
        raise ModelError(
            f"{where} tells of {layers:,} layers, more than there are tensors in the weights beside it ({tensors:,}); "
            "they do not belong together, fetch both again"
        )


def _limit_of(key: str) -> tuple[str, int]:
    if _LAYERS.fullmatch(key):
        return "layers", MAX_LAYERS
    if _EXPERTS.fullmatch(key):
        return "experts", MAX_EXPERTS
    return ("size", MAX_SIZE) if _SIZES.fullmatch(key) else ("number", MAX_NUMBER)


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """All keys at every level with their values. How weights are packed is the quantiser's own business."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key), inner
            yield from () if key == "quantization_config" else _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def _refuse_kernels(key: str, value: Any, where: Path | str) -> None:
    """`_attn_implementation: org/kernel` makes transformers fetch that from the hub, and run it."""
    named = [v for _, v in _entries({key: value}) if isinstance(v, str)]
    if any("/" in name or ":" in name for name in named):
        raise ModelError(
            f"{where}: {key} names {named[0][:80]!r}, code that would be fetched and run, which never happens here; "
            "delete the key"
        )


def _require_dtype(key: str, value: Any, where: Path | str) -> None:
    named = value.values() if isinstance(value, Mapping) else (value,)  # one for each part of a model
    if any(one is not None and str(one).removeprefix("torch.") not in DTYPES for one in named):
        raise ModelError(
            f"{where}: {key} is {str(value)[:80]!r}, no type of numbers; one is {', '.join(sorted(DTYPES))}"
        )


def tensor_count(path: Path) -> int:
    """Tensors of a safetensors file; only its header is read, and that only if it is as long as a header can be.

    Raises:
        ModelError: it is no whole safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    require_size(path)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(LENGTH_BYTES), "little")
    if length > MAX_HEADER_BYTES:
        raise ModelError(
            f"{path} is no whole safetensors file (its header would have {length / MIB:,.0f} MiB); fetch it again"
        )
    try:
        with safe_open(path, framework="numpy") as tensors:
            return len(tensors.keys())
    except SafetensorError as error:
        raise ModelError(f"{path} is no whole safetensors file ({str(error)[:200]}); fetch it again") from error
