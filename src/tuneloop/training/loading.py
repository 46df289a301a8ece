"""The model that is trained: base weights in NF4 (or bf16, or float32), with adapters on them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneloop.recipes import Training
from tuneloop.training.distributed import uses_fsdp
from tuneloop.training.lora import SCORE, Tensors, fresh_adapters, kept_adapters, require_adapters_that_merge
from tuneloop.training.plan import Plan


@dataclass(frozen=True, slots=True)
class Loaded:
    """`model` is a PeftModel (method full: the model itself). `taken` is what the adapters took out of the base at the
    start (`lora_init: pissa`), else empty; `save_adapter` needs it."""

    model: Any
    quantised_layers: int
    total_parameters: int
    trainable_parameters: int
    taken: Tensors


def load_for_training(base: Path, config: Training, plan: Plan, start: Path | None = None) -> Loaded:
    """Load the base as the plan says and put adapters on it: fresh ones, seeded by the recipe, or those of `start`.

    Raises:
        RecipeError: adapters of this kind would not merge rightly with such a base.
        ModelError: `start` is no adapter, or not the kind the recipe and the base ask for.
    """
    import torch
    from transformers import set_seed

    require_adapters_that_merge(config, start)
    set_seed(config.seed)
    where: dict[str, Any] = {"attention": plan.attention, "device": plan.device, "scores": config.objective == "reward"}
    quantised = 0
    if config.method == "full":
        model = load_base(base, dtype=torch.float32, **where)
        total = model.num_parameters()
        return Loaded(model, 0, total, total, {})
    if config.method == "lora":
        model = load_base(base, dtype=getattr(torch, plan.compute), **where)
    else:
        unpack = plan.base_weights == "dequantised"
        model, quantised = load_nf4(base, dequantise=unpack, compute=plan.compute, **where)
    total = model.num_parameters()
    wrapped, taken = fresh_adapters(model, base, config) if start is None else (kept_adapters(model, start, config), {})
    trained = sum(p.numel() for p in wrapped.parameters() if p.requires_grad)
    return Loaded(wrapped, quantised, total, trained, taken)


def load_base(
    base: Path, *, dtype: Any, attention: str, device: str, quantisation: Any = None, scores: bool = False
) -> Any:
    """The model as it is on disk, safetensors only, never with code of its own.

    With `scores` its head is one number per text, seeded at random where the base has none.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for an optional package that does not help here
    options = {
        "dtype": dtype,
        "attn_implementation": attention,
        "device_map": _device_map(device),
        "quantization_config": quantisation,
        "use_safetensors": True,
        "local_files_only": True,
        "trust_remote_code": False,
    }
    return _load_scoring(base, options) if scores else AutoModelForCausalLM.from_pretrained(str(base), **options)


def load_nf4(
    base: Path,
    *,
    attention: str,
    device: str,
    dequantise: bool,
    scores: bool = False,
    compute: Literal["bfloat16", "float16"] = "bfloat16",
) -> tuple[Any, int]:
    """(model, number of quantised layers): 4-bit NormalFloat with double quantisation (Dettmers et al. 2023).

    `dequantise` unpacks the weights to `compute` once. They keep their NF4-rounded values: training sees the same
    numbers.
    """
    import torch
    from transformers import BitsAndBytesConfig

    dtype = getattr(torch, compute)
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        bnb_4bit_quant_storage=dtype if uses_fsdp() else torch.uint8,  # it spreads only floating point
        llm_int8_skip_modules=[SCORE] if scores else None,  # it is trained whole; by default the model's own head
    )
    model = load_base(base, dtype=dtype, attention=attention, device=device, quantisation=nf4, scores=scores)
    layers = keep_trainable(model)
    return (model.dequantize(dtype) if dequantise else model), layers


def _device_map(device: str) -> dict[str, Any] | None:
    """All on this process's own device; under FSDP the libraries decide, for each kind of weights."""
    import torch

    if device != "cuda":
        return {"": device}
    return None if uses_fsdp() else {"": torch.cuda.current_device()}


def keep_trainable(model: Any) -> int:
    """Switch off bitsandbytes' AVX512 layout on every NF4 layer; returns how many there are.

    Where the processor has AVX512-bf16, the first forward without gradients repacks the weights in place, and whatever
    is trained (or merged) afterwards reads garbage, without an error.
    """
    from bitsandbytes.nn import Linear4bit

    layers = [m for m in model.modules() if isinstance(m, Linear4bit)]
    for layer in layers:
        layer.support_avx512bf16_for_cpu = False
    return len(layers)


def _load_scoring(base: Path, options: dict[str, Any]) -> Any:
    from transformers import AutoModelForSequenceClassification

    from tuneloop.chat import load_tokenizer

    padding = load_tokenizer(base).pad_token_id  # the score is read at the last token that is none of these
    model: Any = AutoModelForSequenceClassification.from_pretrained(
        str(base), num_labels=1, pad_token_id=padding, **options
    )
    # The score's weights are trained in float32, and what comes to them is bf16.
    getattr(model, SCORE).register_forward_pre_hook(_cast_to_weights)
    return model


def _cast_to_weights(layer: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].to(layer.weight.dtype),)
