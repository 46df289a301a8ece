"""Answers of a model to prompts: greedy, in batches, each batch kept on disk as soon as it is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneloop import chat
from tuneloop.evaluation.answer_cache import AnswerCache, CachedAnswer
from tuneloop.evaluation.gguf_model import model_in
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message

ENGINE = "greedy-2"
"""Part of the cache key: raise it when the same model and prompt may give other tokens than before."""


@dataclass(frozen=True, slots=True)
class Generation:
    """Answers in the order of the prompts.

    `tokens_per_second` is the rate at which they were generated, in this run or the one that filled the cache;
    `seconds` is what this call took; `cut_off` counts the answers that ran into `max_new_tokens`.
    """

    answers: list[str]
    tokens_per_second: float
    seconds: float
    cut_off: int = 0


def generate_answers(
    *,
    model: Path | LanguageModel,
    model_hash: str,
    prompts: Sequence[Sequence[Message]],
    system_prompt: str,
    max_new_tokens: int,
    batch_size: int,
    cache: Path,
    threads: int | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> Generation:
    """Greedy answers to `prompts` (the turns before the answer).

    What is in the cache costs nothing; only if something is missing is the model loaded. A kill loses one batch.

    `model` is a folder, or a model that is loaded already (then `threads` is not used); `model_hash` names it in the
    cache. `batch_size` prompts are decoded together; on CPU 32 to 64 is fastest. `on_batch` is told (prompts answered,
    prompts in all) after each batch.
    """
    begin = time.monotonic()
    asked = model if isinstance(model, LanguageModel) else model_in(model, threads=threads)
    ids = [chat.prompt_ids(asked.tokenizer, list(messages), system_prompt) for messages in prompts]
    settings = {"engine": ENGINE, "dtype": str(asked.dtype), "max_new_tokens": max_new_tokens}
    known = AnswerCache(cache, model_hash=model_hash, settings=settings)
    missing = sorted({tuple(prompt) for prompt in ids if known.get(prompt) is None}, key=lambda p: (-len(p), p))
    for start in range(0, len(missing), batch_size):
        batch = missing[start : start + batch_size]
        known.add(_answered(asked, batch, max_new_tokens))
        if on_batch is not None:
            on_batch(len(ids) - max(0, len(missing) - start - batch_size), len(ids))
    answers = [answer for answer in map(known.get, ids) if answer is not None]
    return _summary(answers, time.monotonic() - begin)


def _answered(
    model: LanguageModel, prompts: Sequence[Sequence[int]], max_new_tokens: int
) -> list[tuple[Sequence[int], CachedAnswer]]:
    model.load()  # not part of the rate
    begin = time.monotonic()
    new = model.answers(prompts, max_new_tokens=max_new_tokens)
    seconds_per_token = (time.monotonic() - begin) / sum(map(len, new))
    return [
        (prompt, CachedAnswer(model.text(ids), len(ids), len(ids) * seconds_per_token, ids[-1] in model.stop_ids))
        for prompt, ids in zip(prompts, new, strict=True)
    ]


def _summary(answers: Sequence[CachedAnswer], seconds: float) -> Generation:
    tokens, spent = sum(a.tokens for a in answers), sum(a.seconds for a in answers)
    rate = tokens / spent if spent else 0.0
    return Generation([a.text for a in answers], rate, seconds, sum(not a.is_complete for a in answers))
