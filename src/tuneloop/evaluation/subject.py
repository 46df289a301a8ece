"""The model that is being evaluated, as the suites see it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneloop.evaluation.generation import Generation, generate_answers
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to ask. `cache` keeps its answers between runs; `system_prompt` is the recipe's."""

    model: LanguageModel
    model_hash: str
    system_prompt: str
    batch_size: int
    cache: Path

    def answers(
        self,
        prompts: Sequence[Sequence[Message]],
        *,
        max_new_tokens: int,
        system_prompt: str | None = None,
        on_batch: Callable[[int, int], None] | None = None,
    ) -> Generation:
        """Greedy answers to `prompts` (the turns before the answer), from the cache where it has them.

        `system_prompt` replaces the recipe's; a system turn in a prompt wins over both. `on_batch` is told (prompts
        answered, prompts in all).
        """
        return generate_answers(
            model=self.model,
            model_hash=self.model_hash,
            prompts=prompts,
            system_prompt=self.system_prompt if system_prompt is None else system_prompt,
            max_new_tokens=max_new_tokens,
            batch_size=self.batch_size,
            cache=self.cache,
            on_batch=on_batch,
        )
