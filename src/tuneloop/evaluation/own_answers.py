"""How sure a model is of its answers: the mean log-probability, in nats, of an answer's tokens and its end.

Kept on disk: a model need not read the same answer twice.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import answer_losses
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
    _append(file, found)
    return [(known | found)[key] for key in keys]


def _record(prompt: str, answer: str) -> Record:
    return Record("", (Message("user", prompt), Message("assistant", answer)), source="", line=0)


def _append(file: Path, found: dict[str, float]) -> None:
    if not found:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps([key, value]) + "\n" for key, value in found.items())
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as stream:
        stream.write(("\n" + lines).encode())  # the line break in front ends a line that a killed run left unfinished
        stream.flush()


def _read(file: Path) -> Iterator[tuple[str, float]]:
    lines = file.read_text(encoding="utf-8").split("\n") if file.exists() else []
    for line in lines:
        with suppress(ValueError, TypeError):  # a torn line is an answer to be read again
            key, value = json.loads(line)
            yield str(key), float(value)
