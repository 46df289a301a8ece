"""The model that is trained: base weights in NF4 (or bf16), LoRA on all linear layers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.recipes import Training
from tuneloop.training.plan import Plan


@dataclass(frozen=True, slots=True)
class Loaded:
    """`model` is a PeftModel (method full: the model itself)."""

    model: Any
    quantised_layers: int
    total_parameters: int
    trainable_parameters: int


def load_for_training(base: Path, config: Training, plan: Plan) -> Loaded:
    """Load the base as the plan says and put fresh adapters on it, seeded by the recipe."""
    import torch
    from transformers import set_seed

    set_seed(config.seed)
    if config.method == "full":
        model = load_base(base, dtype=torch.float32, attention=plan.attention, device=plan.device)
        total = model.num_parameters()
        return Loaded(model, 0, total, total)
    if config.method == "lora":
        model, quantised = load_base(base, dtype=torch.bfloat16, attention=plan.attention, device=plan.device), 0
    else:
        unpack = plan.base_weights == "dequantised"
        model, quantised = load_nf4(base, attention=plan.attention, device=plan.device, dequantise=unpack)
    total = model.num_parameters()
    wrapped = _with_adapters(model, config)
    return Loaded(wrapped, quantised, total, sum(p.numel() for p in wrapped.parameters() if p.requires_grad))


def load_base(base: Path, *, dtype: Any, attention: str, device: str, quantisation: Any = None) -> Any:
    """The model as it is on disk, safetensors only, never with code of its own."""
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it asks for an optional package that does not help here
    return AutoModelForCausalLM.from_pretrained(
        str(base),
        dtype=dtype,
        attn_implementation=attention,
        device_map={"": device},
        quantization_config=quantisation,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
    )


def load_nf4(base: Path, *, attention: str, device: str, dequantise: bool) -> tuple[Any, int]:
    """(model, number of quantised layers): 4-bit NormalFloat with double quantisation (Dettmers et al. 2023).

    `dequantise` unpacks the weights to bf16 once. They keep their NF4-rounded values: training sees the same numbers.
    """
    import torch
    from transformers import BitsAndBytesConfig

    nf4 = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    model = load_base(base, dtype=torch.bfloat16, attention=attention, device=device, quantisation=nf4)
    layers = keep_trainable(model)
    return (model.dequantize(torch.bfloat16) if dequantise else model), layers


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


def _with_adapters(model: Any, config: Training) -> Any:
    from peft import LoraConfig, get_peft_model

    wanted = config.target_modules
    adapters = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        task_type="CAUSAL_LM",
        target_modules=wanted if wanted == "all-linear" else [name.strip() for name in wanted.split(",")],
    )
    return get_peft_model(model, adapters)
