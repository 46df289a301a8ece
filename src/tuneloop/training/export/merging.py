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
from tuneloop.training.checkpoints import written_whole
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

MERGE_SHARE, MERGE_NOISE = 1e-6, 1e-7
"""A merge in float32 may change predictions by this share of what the adapter changed, and by this many nats per token.

Measured at 135M, rank 16, two data sets: a sound merge 5e-11 nats where the adapter changed 0.4 and 1.6; one layer's
adapter counted twice, the least of 20 layers, 8e-6 of that; a base without NF4's rounding 85 % of it and more.
"""
LAYER_SHARE, LAYER_NOISE = 0.01, 1e-5
"""The same for one layer's outputs to random inputs: of what its adapter adds, and of the outputs. Sound: 0.0006."""

READ_BACK_NOISE = 1e-6
"""Nats per token by which the files on disk may differ from the model they were written from. The same weights in the
same arithmetic: 0."""


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


@dataclass(frozen=True, slots=True)
class Merge:
    """How the predictions of three models lie on the same probes: `rounding` is the written model's difference from the
    adapter on its base, `learned` that of the base without its adapter."""

    rounding: Difference
    learned: Difference


def merge_adapter(base: Path, adapter: Path, model: Path, config: Training, probes: Sequence[Sequence[int]]) -> Merge:
    """Write `model`: base plus adapter in bf16 safetensors, with the base's tokenizer.

    The base is the one the adapter was trained on, NF4-rounded for QLoRA: merging into the original weights, or into
    the packed ones, was measured to change the answers about ten times as much.

    What is wrong is told from what is rounded by looking before the weights are rounded, where a sound merge changes
    nothing: at every layer, and where memory allows at the whole model in float32. What was written is read back and
    held against the model in memory. Rounding has no limit; it is reported, and the gate judges the written model.

    Args:
        base: folder of the base model.
        adapter: folder of the adapter.
        model: folder to write; replaced whole or not at all.
        config: the recipe's training section: how the base was loaded for training.
        probes: token ids to compare on, such as a few training rows.

    Raises:
        TrainingError: the merged model is not base plus adapter, or was not read back as it was written. Nothing is
            left behind.
    """
    scores = config.objective == "reward"
    adapted = load_adapted(base, adapter, on_nf4=config.method == "qlora", scores=scores)
    if exact := 4 * adapted.num_parameters() < MEMORY_SHARE * free_memory():
        adapted.float()
    reference = predictions(adapted, probes)
    with adapted.disable_adapter():
        learned = compare(reference, predictions(adapted, probes))
    merged = _merge_by_layer(adapted, adapter)
    del adapted
    if exact:
        _require_same_answers(compare(reference, predictions(merged, probes)), learned, adapter)
    with written_whole(model, 2 * merged.num_parameters()) as unfinished:
        _write(merged, base, unfinished)
        expected = predictions(merged.float() if exact else merged, probes)
        del merged
        written = predictions(_read_back(unfinished, exact=exact, scores=scores), probes)
        _require_as_written(compare(expected, written), adapter)
    return Merge(rounding=compare(reference, written), learned=learned)


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
    # In float64: the sum over a vocabulary would drown a sound merge's difference in float32's rounding.
    predicted, wanted = (log_softmax(logits.double(), -1) for logits in (here, there))
    lost = kl_div(predicted, wanted, reduction="batchmean", log_target=True)
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


def _merge_by_layer(adapted: Any, adapter: Path) -> Any:
    """Merge one layer at a time in float32: the weights of a merge in float32, in the memory of the model as it is.

    Raises:
        TrainingError: a merged layer does not answer as it did with its adapter beside it.
    """
    from peft.tuners.lora import LoraLayer

    for name, layer in adapted.named_modules():
        if isinstance(layer, LoraLayer):
            dtype = layer.get_base_layer().weight.dtype
            _merge_layer(layer.float(), name, adapter)
            layer.to(dtype)
    with warnings.catch_warnings(action="ignore"):  # that there is nothing left to merge
        return adapted.merge_and_unload()


def _merge_layer(layer: Any, name: str, adapter: Path) -> None:
    """Merge, and hold the layer's outputs to eight random inputs against those before."""
    import torch

    with torch.no_grad():  # not inference mode: the merged weights are saved, and read by others
        inputs = _random_inputs(layer)
        plain, adapted = layer.get_base_layer()(inputs), layer(inputs)
        layer.merge()
        error, added = (layer(inputs) - adapted).norm(), (adapted - plain).norm()
        if not error <= LAYER_SHARE * added + LAYER_NOISE * adapted.norm():
            raise TrainingError(
                f"merged into its layer, the adapter {adapter} no longer does what it did beside it: the outputs of "
                f"{name} are off by {float(error / added):.0%} of what it adds. The adapter is kept, no merged model "
                "was written. Does the installed version of peft merge this kind of layer?"
            )


def _random_inputs(layer: Any) -> torch.Tensor:
    """Eight vectors, or token ids for an embedding; the same at every call."""
    import torch

    generator = torch.Generator().manual_seed(17)
    if isinstance(layer.get_base_layer(), torch.nn.Embedding):
        return torch.randint(layer.in_features, (8,), generator=generator)
    return torch.randn(8, layer.in_features, generator=generator)


def _require_same_answers(merging: Difference, learned: Difference, adapter: Path) -> None:
    if not merging.divergence <= (limit := MERGE_SHARE * learned.divergence + MERGE_NOISE):
        raise TrainingError(
            f"merged in float32, {adapter} on its base answers otherwise than before: {merging.divergence:.1e} nats "
            f"per token (limit {limit:.1e}; the adapter itself changed {learned.divergence:.2g}), the same next token "
            f"after {merging.agreement:.0%} of {merging.tokens}. The adapter is kept, no merged model was written. "
            "Does the installed version of peft merge every layer of this model?"
        )


def _require_as_written(reading: Difference, adapter: Path) -> None:
    if not reading.divergence <= READ_BACK_NOISE:
        raise TrainingError(
            f"the merged model of {adapter} was not read back as it was written: {reading.divergence:.1e} nats per "
            f"token, the same next token after {reading.agreement:.0%} of {reading.tokens}. The adapter is kept, no "
            "merged model was written. Is the disk sound? Run the training again: only the merge is repeated"
        )


def _read_back(folder: Path, *, exact: bool, scores: bool) -> Any:
    import torch

    dtype = torch.float32 if exact else torch.bfloat16
    return load_base(folder, dtype=dtype, attention="sdpa", device="cpu", scores=scores).eval()


def _write(model: Any, base: Path, folder: Path) -> None:
    import torch

    if model.can_generate():  # what closes a turn in training must end an answer wherever the model is served
        model.generation_config.eos_token_id = stop_ids(load_tokenizer(base))
    for parameter in model.parameters():  # no buffers: rotary frequencies are not stored, and stay as they are loaded
        parameter.data = parameter.data.to(torch.bfloat16)
    model.save_pretrained(folder)
    for pattern in TOKENIZER_FILES:
        for path in base.glob(pattern):
            shutil.copy(path, folder / path.name)
