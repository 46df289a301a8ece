"""Losses of answers: of the expected ones, and of a model's own, which are remembered."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tuneloop import chat
from tuneloop.errors import DataError, ModelError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.files import append_jsonl, read_jsonl
from tuneloop.records import Message, Record, content_hash


def answer_losses(model: LanguageModel, records: Sequence[Record], system_prompt: str) -> list[float]:
    """One mean per record, over the expected answer and the token that ends it."""
    texts, starts = [], []
    for record in records:
        ids, labels = chat.example_ids(model.tokenizer, record, system_prompt)
        texts.append(ids)
        starts.append(next(place for place, label in enumerate(labels) if label != chat.IGNORED))
    return _means(model, texts, starts)


def text_losses(model: LanguageModel, texts: Sequence[str]) -> list[float]:
    """One mean per plain text, over all its tokens but the first, which nothing comes before.

    Raises:
        DataError: a text of fewer than two tokens.
    """
    encoded = [list(model.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    if any(len(ids) < 2 for ids in encoded):  # noqa: PLR2004 (the first token is not predicted)
        raise DataError("a text of a single token has no loss; write at least a few words")
    return _means(model, encoded, [1] * len(encoded))


def _means(model: LanguageModel, texts: Sequence[Sequence[int]], starts: Sequence[int]) -> list[float]:
    if not texts:
        return []
    means = [math.fsum(losses) / len(losses) for losses in model.losses(texts, starts)]
    if not all(math.isfinite(mean) for mean in means):
        raise ModelError(f"{model.folder} gives no finite loss: its training has diverged, lower the learning rate")
    return means


# Kept on disk: a model need not read the same answer twice.


READING = 1
"""Part of the cache key: raise it when the same model and text may give other numbers than before."""


def log_probabilities(
    model: LanguageModel,
    *,
    model_hash: str,
    prompts: Sequence[str],
    answers: Sequence[str],
    system_prompt: str,
    cache: Path,
) -> list[float]:
    """One number per answer, 0 at most; the model is loaded only where one is not in the cache.

    `cache` is a folder; files in it are the owner's alone, and hold hashes and numbers.

    Raises:
        ModelError: the model has no finite loss.
    """
    key = content_hash([READING, model_hash, str(model.dtype), system_prompt])
    file = cache / f"own-answers-{key[:32]}.jsonl"
    known = dict(_read(file))
    keys = [content_hash([prompt, answer]) for prompt, answer in zip(prompts, answers, strict=True)]
    new = {key: _record(p, a) for key, p, a in zip(keys, prompts, answers, strict=True) if key not in known}
    losses = answer_losses(model, list(new.values()), system_prompt) if new else []
    found = {key: -loss for key, loss in zip(new, losses, strict=True)}
    append_jsonl(file, ({"key": key, "value": value} for key, value in found.items()))
    return [(known | found)[key] for key in keys]


def _record(prompt: str, answer: str) -> Record:
    return Record("", (Message("user", prompt), Message("assistant", answer)), source="", line=0)


def _read(file: Path) -> Iterator[tuple[str, float]]:
    for row in read_jsonl(file, on_torn="skip"):  # a torn line is an answer to be read again
        with suppress(KeyError, TypeError, ValueError):
            yield str(row["key"]), float(row["value"])
