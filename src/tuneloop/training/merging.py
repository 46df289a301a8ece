"""From base and adapter to one model that can be served without either."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tuneloop.recipes import Training
from tuneloop.training.loading import load_base, load_nf4
from tuneloop.training.plan import MEMORY_SHARE, free_memory

TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "*.jinja",
    "vocab.json",
    "merges.txt",
)


def merge_adapter(base: Path, adapter: Path, model: Path, config: Training, probe: list[int]) -> float:
    """Write `model`: base plus adapter in bf16 safetensors, with the base's tokenizer.

    The base is the one the adapter was trained on, NF4-rounded for QLoRA: merging into the original weights, or into
    the packed ones, was measured to change the answers about ten times as much. Done on the CPU, in float32 where
    memory allows: in bf16 the arithmetic alone moves a logit further than the merge does (3.5 against 1.1 at 135M).

    Returns:
        The largest absolute difference of any logit between adapter and merged model over the tokens of `probe`.
    """
    import torch
    from peft import PeftModel

    if config.method == "qlora":
        loaded, _ = load_nf4(base, attention="sdpa", device="cpu", dequantise=True)
    else:
        loaded = load_base(base, dtype=torch.bfloat16, attention="sdpa", device="cpu")
    exact = 4 * loaded.num_parameters() < MEMORY_SHARE * free_memory()
    dtype = torch.float32 if exact else torch.bfloat16
    adapted: Any = PeftModel.from_pretrained(loaded, str(adapter)).eval().to(dtype)
    before = _logits(adapted, probe)
    merged = adapted.merge_and_unload()
    save_model(merged, base, model)
    return float((_logits(merged.to(dtype), probe) - before).abs().max())


def save_model(model: Any, base: Path, folder: Path) -> None:
    """Write weights in bf16, configuration and tokenizer to `folder`, whole or not at all."""
    import torch

    unfinished = folder.with_name(f".{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(unfinished)
    for pattern in TOKENIZER_FILES:
        for path in base.glob(pattern):
            shutil.copy(path, unfinished / path.name)
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.replace(folder)


def _logits(model: Any, probe: list[int]) -> Any:
    import torch

    with torch.no_grad():
        return model(input_ids=torch.tensor([probe]), use_cache=False).logits.float()
