"""Mean negative log-likelihood per token, in nats: how much a text surprises a model."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tuneloop import chat
from tuneloop.errors import DataError, ModelError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Record


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
