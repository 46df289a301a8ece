"""LoRA adapters: fresh ones, those of an earlier run to go on from, and how they are saved.

Some ways to start change the base. PiSSA takes the largest singular directions out of it; saved as they are, such
adapters would be wrong on the base anyone else has, so they are written as a plain LoRA of twice the rank (PEFT's own
conversion). On an NF4 base what is left would have to be rounded anew, which no saved adapter can say: that is refused.
LoftQ's adapters start as the best low-rank guess at what NF4 rounded away. The base stays what NF4 makes of it, so they
merge as all others do.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tuneloop.errors import ModelError, RecipeError
from tuneloop.recipes import Training

Tensors = dict[str, Any]
"""Name -> tensor."""

SCORE = "score"
"""The layer that transformers puts on a model which scores texts."""

ADAPTER_WEIGHTS = "adapter_model.safetensors"
SVD_ITERATIONS = 16
"""Of the randomised decomposition, which PiSSA's paper finds as good as the exact one, in seconds, not minutes."""


def require_adapters_that_merge(config: Training, start: Path | None) -> None:
    """Raise RecipeError where the merged model, or the saved adapter, would be wrong."""
    init, variant = config.lora_init, config.lora_variant
    if config.method == "full" and start is not None:
        raise RecipeError("training.start_from: champion goes on from adapters, and method: full has none; set `base`")
    if config.method == "full" or start is not None:
        return
    if init == "pissa" and config.method == "qlora":
        raise RecipeError(
            "training.lora_init: pissa changes the base before it is quantised, and the adapter would not fit the NF4 "
            "base it is merged into; set `loftq`, which is made for quantised bases, or `method: lora`"
        )
    if init == "loftq" and config.method == "lora":
        raise RecipeError("training.lora_init: loftq makes up for quantisation, and method: lora has none; set `zero`")
    if init != "zero" and variant == "dora":
        raise RecipeError(f"training.lora_init: {init} does not go with lora_variant: dora; set one of them back")
    if init == "pissa" and config.objective == "reward":
        raise RecipeError("training.lora_init: pissa loses the trained score of a reward model; set `zero`")


def fresh_adapters(model: Any, base: Path, config: Training) -> tuple[Any, Tensors]:
    """(model with adapters, what they took out of the base)."""
    from peft import LoraConfig, get_peft_model, get_peft_model_state_dict

    pissa = config.lora_init == "pissa"
    adapters = LoraConfig(
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        use_rslora=config.lora_variant == "rslora",
        use_dora=config.lora_variant == "dora",
        init_lora_weights=f"pissa_niter_{SVD_ITERATIONS}" if pissa else True,
        task_type=_task(config),
        target_modules=_targets(config),
    )
    wrapped: Any = get_peft_model(model, adapters)
    if config.lora_init == "loftq":
        _make_up_for_rounding(wrapped, base)
    return wrapped, {k: v.clone() for k, v in get_peft_model_state_dict(wrapped).items()} if pissa else {}


def kept_adapters(model: Any, start: Path, config: Training) -> Any:
    """`model` with the adapters of the folder `start`, to go on training them.

    Raises:
        ModelError: no safetensors adapter there, or one of another kind or for another base; the message says how.
    """
    from peft import LoraConfig, PeftModel

    if not (start / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"{start} holds no adapter in safetensors ({ADAPTER_WEIGHTS}); set training.start_from: base")
    saved: Any = LoraConfig.from_pretrained(str(start))
    differences = _differences(saved, model, config)
    differences += _base_differences(saved.base_model_name_or_path, model)
    if differences:
        raise ModelError(
            f"the adapter in {start} cannot be gone on from: {'; '.join(differences)}. Set training to what it was, "
            "or training.start_from: base"
        )
    try:
        return PeftModel.from_pretrained(model, str(start), is_trainable=True)
    except RuntimeError as error:
        raise ModelError(f"the adapter in {start} was made for another base: its layers have other shapes") from error


def _task(config: Training) -> str:
    return "SEQ_CLS" if config.objective == "reward" else "CAUSAL_LM"


def _differences(saved: Any, model: Any, config: Training) -> list[str]:
    """Where the saved adapter is not what the recipe asks for, in words."""
    variant = "rslora" if saved.use_rslora else "dora" if saved.use_dora else "lora"
    compared = {
        "lora_rank": (saved.r, config.lora_rank),
        "lora_alpha": (saved.lora_alpha, config.lora_alpha),
        "lora_dropout": (saved.lora_dropout, config.lora_dropout),
        "lora_variant": (variant, config.lora_variant),
        "task": (str(getattr(saved.task_type, "value", saved.task_type)), _task(config)),
    }
    found = [f"{name} is {has} there and {asked} here" for name, (has, asked) in compared.items() if has != asked]
    has, asked = (_adapted(model, wanted) for wanted in (saved.target_modules, _targets(config)))
    if has != asked:
        found.append(f"target_modules is {_kinds(has)} there and {_kinds(asked)} here")
    return found


def _targets(config: Training) -> str | list[str]:
    wanted = config.target_modules
    return wanted if wanted == "all-linear" else [name.strip() for name in wanted.split(",")]


def _adapted(model: Any, targets: Any) -> set[str]:
    """The layers that `targets` means, in PEFT's terms: all linear ones but the head, or ends of names."""
    import torch

    heads = {SCORE, "lm_head"}
    linear = {name for name, m in model.named_modules() if isinstance(m, torch.nn.Linear) and name not in heads}
    if targets == "all-linear":
        return linear
    return {name for name in linear if any(f".{name}".endswith(f".{end}") for end in targets)}


def _kinds(layers: set[str]) -> str:
    return ",".join(sorted({name.rpartition(".")[2] for name in layers}))


def _base_differences(trained_on: str | None, model: Any) -> list[str]:
    """The base may have moved to another folder, so where both are there, their weights are compared."""
    from tuneloop.training.base_models import folder_hash

    here = Path(model.config.name_or_path)
    if not trained_on or Path(trained_on) == here or not Path(trained_on).is_dir() or not here.is_dir():
        return []
    if folder_hash(Path(trained_on)) == folder_hash(here):
        return []
    return [f"it was trained on {trained_on}, which holds other weights than {here}"]


def _make_up_for_rounding(wrapped: Any, base: Path) -> None:
    """LoftQ with one iteration (Li et al. 2023). PEFT's needs a GPU, and leaves out the scaling of the adapter."""
    import torch
    from peft.tuners.lora import LoraLayer
    from peft.utils.integrations import dequantize_module_weight

    for name, layer in wrapped.get_base_model().named_modules():
        if isinstance(layer, LoraLayer):
            a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
            rounded: Any = dequantize_module_weight(layer.get_base_layer()).float()
            lost = _stored(base, f"{name}.weight").to(rounded) - rounded
            left, sizes, right = torch.svd_lowrank(lost, q=min(2 * a.shape[0], *lost.shape), niter=SVD_ITERATIONS)
            roots = (sizes[: a.shape[0]] / layer.scaling["default"]).sqrt()
            b.data.copy_(left[:, : a.shape[0]] * roots)
            a.data.copy_((right[:, : a.shape[0]] * roots).t())


def _stored(base: Path, name: str) -> Any:
    """A weight as it is on disk, without loading the others."""
    from safetensors import safe_open

    index = base / "model.safetensors.index.json"
    file = json.loads(index.read_text(encoding="utf-8"))["weight_map"][name] if index.is_file() else "model.safetensors"
    with safe_open(base / file, "pt") as weights:
        return weights.get_tensor(name)


def save_adapter(model: Any, taken: Tensors, folder: Path, state: Tensors | None = None) -> None:
    """Write the adapters of a PeftModel, as what they are to the base as it is on disk.

    Args:
        model: the trained model.
        taken: `Loaded.taken`.
        folder: is made, or written over.
        state: the weights, where FSDP has spread them (`distributed.whole_state`).
    """
    if not taken:
        model.save_pretrained(folder, state_dict=state)
        return
    from safetensors.torch import save_file

    with TemporaryDirectory() as parent:
        initial = Path(parent) / "initial"
        initial.mkdir()
        save_file({name: tensor.contiguous() for name, tensor in taken.items()}, initial / ADAPTER_WEIGHTS)
        model.save_pretrained(folder, path_initial_model_for_weight_conversion=str(initial))
