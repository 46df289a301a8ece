"""What a model's configuration says about its size: counted on a model without weights."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tuneloop.errors import ModelError
from tuneloop.recipes import Training

UNBUILDABLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, ImportError)
"""What transformers and torch raise at sizes that do not fit together."""


@dataclass(frozen=True, slots=True)
class Linears:
    """Linear layers that have the same name in every block: how many, and their widths summed."""

    count: int
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Counts of parameters, and widths of what flows through one block.

    `linear_parameters` are in layers that NF4 and LoRA can take; stacked experts, which neither takes, are in
    `expert_parameters`. `active_parameters` are multiplied with for each token. `inner` is the width between the two
    halves of the MLP, over all experts that a token visits.
    """

    parameters: int
    linear_parameters: int
    expert_parameters: int
    active_parameters: int
    linears: dict[str, Linears]
    layers: int
    hidden: int
    inner: int
    heads: int
    query: int
    key_value: int
    vocabulary: int

    def adapter_parameters(self, config: Training) -> int:
        """Parameters of LoRA as the recipe wants it."""
        return sum(config.lora_rank * (one.inputs + one.outputs) for one in self.adapted(config))

    def adapted(self, config: Training) -> list[Linears]:
        """The linear layers that get adapters."""
        wanted = {name.strip() for name in config.target_modules.split(",")}
        return [one for name, one in self.linears.items() if wanted == {"all-linear"} or name in wanted]


def sizes_of(architecture: Any) -> Sizes:
    """Sizes of the model with this transformers configuration; needs no weights and no memory to speak of."""
    import torch
    from transformers import AutoModelForCausalLM

    try:
        with torch.device("meta"):
            model: Any = AutoModelForCausalLM.from_config(architecture)
    except UNBUILDABLE as error:
        raise ModelError(
            f"no model can be built of the configuration in {architecture.name_or_path} ({type(error).__name__}: "
            f"{str(error)[:200]}); fetch it again, or take another base"
        ) from error
    text = architecture.get_text_config()
    head = model.get_output_embeddings()
    linears = [(n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head]
    stacked = sum(p.numel() for n, p in model.named_parameters() if "experts" in n and p.dim() == 3)  # noqa: PLR2004
    visited = _experts_visited(text)
    # models of the older kind hold each expert as linear layers of its own
    in_experts = sum(m.weight.numel() for n, m in linears if ".experts." in n)
    linear = sum(m.weight.numel() for _, m in linears)
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return Sizes(
        parameters=model.num_parameters(),
        linear_parameters=linear,
        expert_parameters=stacked,
        active_parameters=round(linear - in_experts + visited.share * (in_experts + stacked)),
        linears=_by_name(linears),
        layers=text.num_hidden_layers,
        hidden=text.hidden_size,
        inner=visited.inner,
        heads=text.num_attention_heads,
        query=text.num_attention_heads * head_width,
        key_value=2 * (getattr(text, "num_key_value_heads", None) or text.num_attention_heads) * head_width,
        vocabulary=text.vocab_size,
    )


@dataclass(frozen=True, slots=True)
class _Visited:
    """Share of the experts that a token visits, and the width of their inner layer together."""

    share: float
    inner: int


def _experts_visited(text: Any) -> _Visited:
    experts = next((n for name in ("num_local_experts", "num_experts", "n_routed_experts")
                    if (n := getattr(text, name, None))), 0)  # fmt: skip
    if not experts:
        return _Visited(1.0, text.intermediate_size)
    chosen = text.num_experts_per_tok
    width = getattr(text, "moe_intermediate_size", None) or text.intermediate_size
    return _Visited(chosen / experts, chosen * width)


def _by_name(linears: list[tuple[str, Any]]) -> dict[str, Linears]:
    grouped: dict[str, list[Any]] = defaultdict(list)
    for path, module in linears:
        grouped[path.rpartition(".")[2]].append(module)
    return {
        name: Linears(len(modules), sum(m.in_features for m in modules), sum(m.out_features for m in modules))
        for name, modules in grouped.items()
    }
