"""Answers on disk, so that no prompt is answered twice by the same model under the same settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneloop.files import append_jsonl, read_jsonl
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
        new = [(content_hash(list(prompt)), answer) for prompt, answer in answers]
        append_jsonl(self.path, ({"prompt": key, **asdict(answer)} for key, answer in new))
        self._known.update(new)


def _read(path: Path) -> Iterator[tuple[str, CachedAnswer]]:
    """What the file holds; a line that is torn, or that another version wrote, is a prompt to be answered again."""
    for fields in read_jsonl(path, on_torn="skip"):
        with suppress(TypeError):  # fields that are missing, or too many
            yield fields.pop("prompt", ""), CachedAnswer(**fields)
