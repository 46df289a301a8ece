"""Does the served file answer as the model it was made of? llama.cpp answers, and the model is asked the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneloop.chat import end_of_turn_ids, load_tokenizer, prompt_ids
from tuneloop.errors import ModelError
from tuneloop.records import Message
from tuneloop.results import TrainingReport
from tuneloop.training.export.gguf_files import LlamaCpp, Precision, Served, divergence
from tuneloop.training.export.merging import predictions
from tuneloop.training.loading import load_base
from tuneloop.training.plan import MEMORY_SHARE, free_memory

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PROMPTS = (
    "What is the capital of France?",
    "My parcel no. 4711 has not come. What shall I do?",
    "Write three short facts about water as a JSON list.",
    "Übersetze ins Englische: Der Zug fährt um 18:05 Uhr ab.",
)
"""Written for this check, so that no row's text leaves the workspace; with digits, umlauts and punctuation, where
tokenizers differ."""

ANSWER_TOKENS = 32
LIMITS: dict[Precision, float] = {"f16": 0.005, "bf16": 0.005, "q8_0": 0.02}
"""Nats per token. Measured at 135M: f16 0.00007 against a reference in float32; bf16 arithmetic in the reference or in
llama.cpp alone can make it 0.0016."""


@dataclass(frozen=True, slots=True)
class GgufCheck:
    """`divergence`: mean Kullback-Leibler divergence in nats per token of greedy answers, `agreement`: the share of
    their tokens that the model would have said as well, `same_answers`: how many of `prompts` are wholly the same."""

    against: str
    divergence: float
    limit: float
    agreement: float
    same_answers: int
    prompts: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Heard:
    """One prompt: nats of each token, and whether the reference would have said the same at each place."""

    nats: list[float]
    same: list[bool]


def check_gguf(report: TrainingReport, file: Path, precision: Precision, *, threads: int) -> GgufCheck:
    """Let llama.cpp answer a few prompts, template and tokenizer included, and ask the model about each token.

    The model is the merged one, as evaluated: what merging rounds is measured where it is merged.

    Args:
        report: of the run the file was made of.
        file: the GGUF file.
        precision: which limit holds.
        threads: CPU threads.

    Raises:
        ModelError: the prompts become other tokens, or the predictions differ by more than the limit.
    """
    model = Path(report.model)
    tokenizer = load_tokenizer(model)
    served = _answers(file, threads)
    reference = _reference(model)
    heard = [_compare(tokenizer, reference, prompt, answer) for prompt, answer in zip(PROMPTS, served, strict=True)]
    nats = [nat for one in heard for nat in one.nats]
    same = [match for one in heard for match in one.same]
    check = GgufCheck(
        against="trained model" if report.adapter == report.model else "merged model",
        divergence=sum(nats) / max(len(nats), 1),
        limit=LIMITS[precision],
        agreement=sum(same) / max(len(same), 1),
        same_answers=sum(all(one.same) for one in heard),
        prompts=len(heard),
        tokens=len(nats),
    )
    if not check.divergence <= check.limit:  # a NaN is no pass
        raise ModelError(
            f"the GGUF file does not answer as the {check.against} does: {check.divergence:.4f} nats per token (limit "
            f"{check.limit}), the same next token at {check.agreement:.0%} of {check.tokens}. Nothing was exported; "
            "try --quantise f16, which rounds least"
        )
    return check


def _answers(file: Path, threads: int) -> list[Served]:
    server = LlamaCpp(file, threads=threads)
    return [server.answer([{"role": "user", "content": prompt}], ANSWER_TOKENS) for prompt in PROMPTS]


def _reference(folder: Path) -> Any:
    """In float32 where memory allows: bf16 arithmetic alone moves predictions further than f16 weights do."""
    import torch

    model = load_base(folder, dtype=torch.bfloat16, attention="sdpa", device="cpu").eval()
    return model.float() if 4 * model.num_parameters() < MEMORY_SHARE * free_memory() else model


def _compare(tokenizer: PreTrainedTokenizerBase, reference: Any, prompt: str, served: Served) -> _Heard:
    asked = prompt_ids(tokenizer, [Message("user", prompt)], "")
    if len(asked) != served.prompt_tokens:
        raise ModelError(
            f"llama.cpp makes {served.prompt_tokens} tokens of a prompt that are {len(asked)} in training: the chat "
            "template or the tokenizer in the GGUF file is not the model's. Nothing was exported"
        )
    told = before_a_gap([tokenizer.decode([token]) for token in served.token_ids])
    answer = served.token_ids[:told]
    (logits,) = predictions(reference, [[*asked, *answer]])
    expected = logits[-len(answer) - 1 :].log_softmax(-1)
    said = [int(row.argmax()) for row in expected]
    same = [wanted == token for wanted, token in zip(said, answer, strict=False)]
    if served.ended and told == len(served.token_ids):  # where llama.cpp stopped, the reference has to stop as well
        same.append(said[-1] in _endings(tokenizer))
    return _Heard([divergence(*pair) for pair in zip(expected, served.choices[:told], strict=False)], same)


def before_a_gap(pieces: Sequence[str]) -> int:
    """How many tokens come before the first that is no whole character: there llama.cpp has left one out."""
    return next((place for place, piece in enumerate(pieces) if "\ufffd" in piece), len(pieces))


def _endings(tokenizer: PreTrainedTokenizerBase) -> Sequence[int | None]:
    return [end_of_turn_ids(tokenizer)[-1], tokenizer.eos_token_id]
