"""How sure a model is of its answers: the mean log-probability, in nats, of an answer's tokens and its end.

Kept on disk: a model need not read the same answer twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses
from tuneloop.files import append_jsonl, read_jsonl
from tuneloop.records import Message, Record, content_hash

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
