"""From base and adapter to one model that can be served without either."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.chat import load_tokenizer, stop_ids
from tuneloop.errors import TrainingError
from tuneloop.recipes import Training
from tuneloop.training.keeping import written_whole
from tuneloop.training.loading import load_base, load_nf4
from tuneloop.training.plan import MEMORY_SHARE, free_memory

if TYPE_CHECKING:
    import torch

TOKENIZER_FILES = (
    "tokenizer*.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "*.jinja",
    "vocab.json",
    "merges.txt",
)
PROBES, PROBE_TOKENS = 4, 256
"""Sequences on which a merged model is held against its adapter, and the last tokens of each that are."""

LIMIT, LIMIT_BF16 = 0.005, 0.05
"""Nats per token that a merged model may differ by, compared in float32 and in bf16.

Measured at 135M, rank 16: a sound merge 0.00006 in float32 on training rows and 0.00024 on random tokens; in bf16, by
the arithmetic alone, 0.0016 and 0.011. A base without NF4's rounding: 0.17. One layer's adapter counted twice is 0.001
or less and goes unseen.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one model's predictions lie from another's, over the tokens of a few sequences.

    `divergence` is the mean Kullback-Leibler divergence per token in nats, `agreement` the share of tokens after which
    both would say the same next, `max_logit` the largest absolute difference of any logit.
    """

    divergence: float
    agreement: float
    max_logit: float
    tokens: int


def merge_adapter(
    base: Path, adapter: Path, model: Path, config: Training, probes: Sequence[Sequence[int]]
) -> Difference:
    """Write `model`: base plus adapter in bf16 safetensors, with the base's tokenizer.

    The base is the one the adapter was trained on, NF4-rounded for QLoRA: merging into the original weights, or into
    the packed ones, was measured to change the answers about ten times as much. One layer at a time is merged in
    float32 and rounded to bf16: the weights of a merge in float32, in the memory of the model in bf16.

    What was written is read back and compared with the adapter on its base, in float32 where memory allows. Nothing
    is left behind when it differs too much.

    Args:
        base: folder of the base model.
        adapter: folder of the adapter.
        model: folder to write; replaced whole or not at all.
        config: the recipe's training section: how the base was loaded for training.
        probes: token ids to compare on, such as a few training rows.

    Raises:
        TrainingError: the merged model does not answer as the adapter does.
    """
    scores = config.objective == "reward"
    adapted = load_adapted(base, adapter, on_nf4=config.method == "qlora", scores=scores)
    exact = 4 * adapted.num_parameters() < MEMORY_SHARE * free_memory()
    before = predictions(adapted.float() if exact else adapted, probes)
    with written_whole(model, 2 * adapted.num_parameters()) as unfinished:
        _write(_merge_by_layer(adapted), base, unfinished)
        del adapted
        difference = compare(before, predictions(_read_back(unfinished, exact=exact, scores=scores), probes))
        if difference.divergence > (limit := LIMIT if exact else LIMIT_BF16):
            raise TrainingError(
                f"the merged model differs from {adapter} on its base: {difference.divergence:.4f} nats per token "
                f"(limit {limit}), the same next token after {difference.agreement:.0%} of {difference.tokens}. The "
                f"adapter is kept, no merged model was written. Is the disk sound, and is {base} the base it was "
                "trained on?"
            )
    return difference


def save_model(model: Any, base: Path, folder: Path) -> None:
    """Write weights in bf16, configuration and tokenizer to `folder`, whole or not at all."""
    with written_whole(folder, 2 * model.num_parameters()) as unfinished:
        _write(model, base, unfinished)


def predictions(model: Any, probes: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """Logits (tokens, vocabulary) in float32 after each of the last tokens of each probe."""
    import torch

    with torch.inference_mode():
        return [
            model(input_ids=_last_tokens(probe), use_cache=False).logits.flatten(0, -2).float()
            for probe in probes[:PROBES]
        ]


def _last_tokens(probe: Sequence[int]) -> torch.Tensor:
    import torch

    return torch.tensor([list(probe)[-PROBE_TOKENS:]])


def compare(reference: Sequence[torch.Tensor], other: Sequence[torch.Tensor]) -> Difference:
    """Hold `other` against `reference`: logits (tokens, vocabulary) of the same sequences.

    A single score per text counts as the log-odds that the text is preferred to one of score 0.
    """
    import torch
    from torch.nn.functional import kl_div, log_softmax, pad

    there, here = (torch.cat(list(logits)) for logits in (reference, other))
    if there.shape[-1] == 1:
        there, here = pad(there, (0, 1)), pad(here, (0, 1))
    if not bool(torch.isfinite(here).all()):
        return Difference(float("inf"), 0.0, float("inf"), len(here))
    lost = kl_div(log_softmax(here, -1), log_softmax(there, -1), reduction="batchmean", log_target=True)
    same = (there.argmax(-1) == here.argmax(-1)).float().mean()
    return Difference(float(lost), float(same), float((there - here).abs().max()), len(here))


def load_adapted(base: Path, adapter: Path, *, on_nf4: bool, scores: bool = False) -> Any:
    """The adapter on its base, in bf16 on the CPU.

    `on_nf4`: with the base's weights rounded as QLoRA trains on them. `scores`: one number per text (a reward model).
    """
    import torch
    from peft import PeftModel

    if on_nf4:
        loaded, _ = load_nf4(base, attention="sdpa", device="cpu", dequantise=True, scores=scores)
    else:
        loaded = load_base(base, dtype=torch.bfloat16, attention="sdpa", device="cpu", scores=scores)
    return PeftModel.from_pretrained(loaded, str(adapter), use_safetensors=True).eval()


def _merge_by_layer(adapted: Any) -> Any:
    from peft.tuners.lora import LoraLayer

    for layer in adapted.modules():
        if isinstance(layer, LoraLayer):
            dtype = layer.get_base_layer().weight.dtype
            layer.float().merge()
            layer.to(dtype)
    with warnings.catch_warnings(action="ignore"):  # that there is nothing left to merge
        return adapted.merge_and_unload()


def _read_back(folder: Path, *, exact: bool, scores: bool) -> Any:
    import torch

    dtype = torch.float32 if exact else torch.bfloat16
    return load_base(folder, dtype=dtype, attention="sdpa", device="cpu", scores=scores).eval()


def _write(model: Any, base: Path, folder: Path) -> None:
    import torch

    if model.can_generate():  # what closes a turn in training must end an answer wherever the model is served
        model.generation_config.eos_token_id = stop_ids(load_tokenizer(base))
    model.to(torch.bfloat16).save_pretrained(folder)
    for pattern in TOKENIZER_FILES:
        for path in base.glob(pattern):
            shutil.copy(path, folder / path.name)
