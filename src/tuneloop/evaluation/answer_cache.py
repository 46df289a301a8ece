"""Answers on disk, so that no prompt is answered twice by the same model under the same settings."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneloop.records import content_hash


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """One answer: its text, tokens generated (with the one that ends it), and its share of the seconds of its batch."""

    text: str
    tokens: int
    seconds: float
    is_complete: bool
    """Whether the model ended it by itself, rather than running into the limit."""


class AnswerCache:
    """One append-only JSONL file per model and settings. Mode 0600: answers may repeat what a customer wrote."""

    def __init__(self, folder: Path, *, model_hash: str, settings: Mapping[str, Any]) -> None:
        self.path = folder / f"{content_hash({'model': model_hash, **settings})[:32]}.jsonl"
        self._known = dict(_read(self.path))

    def get(self, prompt: Sequence[int]) -> CachedAnswer | None:
        return self._known.get(content_hash(list(prompt)))

    def add(self, answers: Sequence[tuple[Sequence[int], CachedAnswer]]) -> None:
        """Remember (prompt ids, answer) pairs: one write, on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = [(content_hash(list(prompt)), answer) for prompt, answer in answers]
        lines = "".join(json.dumps({"prompt": key, **asdict(answer)}, ensure_ascii=False) + "\n" for key, answer in new)
        # The line break in front ends a line that a killed run left unfinished.
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(("\n" + lines).encode())
            file.flush()
            os.fsync(file.fileno())
        self._known.update(new)


def _read(path: Path) -> Iterator[tuple[str, CachedAnswer]]:
    """What the file holds; a line that is torn, or that another version wrote, is a prompt to be answered again."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    for line in lines:
        with suppress(ValueError, TypeError):  # no JSON; no object; fields that are missing, or too many
            fields = {**json.loads(line)}
            yield fields.pop("prompt", ""), CachedAnswer(**fields)
