"""A `TokenCounter` for tests that need no tokenizer: a token is a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuneloop.records import Record


@dataclass(frozen=True)
class WordCounter:
    def count(self, records: Sequence[Record]) -> list[int]:
        return [len(f"{r.prompt} {r.completion}".split()) for r in records]

    def at_most(self, records: Sequence[Record]) -> list[int]:
        return [len(r.prompt) + len(r.completion) for r in records]
