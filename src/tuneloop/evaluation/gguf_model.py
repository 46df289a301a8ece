"""A quantised model to ask: measured in the engine that will serve it, not in the one that trained it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tuneloop.errors import ModelError
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.llama_cpp import LlamaCpp

if TYPE_CHECKING:
    import torch


def model_in(folder: Path, *, threads: int | None = None) -> LanguageModel:
    """The model that a folder holds: a GGUF file with its tokenizer, or safetensors."""
    kind = GgufModel if _gguf_files(folder) else LanguageModel
    return kind(folder, threads=threads)


def artefact_in(folder: Path) -> str:
    """What a folder holds, as the recipe's `evaluation.artefact` names it: `merged`, or `gguf-` and the precision.

    The precision is the end of the file's name, as the export writes it.
    """
    files = _gguf_files(folder)
    return f"gguf-{files[0].stem.rpartition('-')[2]}" if files else "merged"


class GgufModel(LanguageModel):
    """A folder with one GGUF file and the tokenizer of the model it was made of.

    Prompts go in as the token ids that training and the evaluation of safetensors use. Answers and losses are
    llama.cpp's own, so they are those of the quantised weights in quantised arithmetic.

    A loss takes one step of decoding per token, as long as generating the same text would: llama.cpp tells no
    probabilities of a prompt.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        super().__init__(folder, threads=threads)
        files = _gguf_files(folder)
        if len(files) != 1:
            raise ModelError(f"{folder} holds {len(files)} GGUF files; put one there, with its tokenizer")
        self._engine = LlamaCpp(files[0], threads=self.cpu_threads)

    @cached_property
    def dtype(self) -> torch.dtype:
        """Of llama.cpp's key-value cache; the weights have the file's own."""
        import torch

        return torch.float16

    @property
    def device_type(self) -> str:
        return "cpu"

    def load(self) -> None:
        _ = self.stop_ids
        self._engine.start()

    def answers(
        self, prompts: Sequence[Sequence[int]], *, max_new_tokens: int, stop: frozenset[int] | None = None
    ) -> list[list[int]]:
        """New token ids per prompt, in order, ended where llama.cpp ends them: that is what users would read.

        With an empty `stop` every answer has `max_new_tokens`; ids in any other cut it short behind the first.
        """
        never_end = stop is not None and not stop
        found = [self._engine.answer(prompt, max_new_tokens, never_end=never_end) for prompt in prompts]
        return [_up_to(stop, ids) for ids in found] if stop else found

    def losses(self, texts: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[float]]:
        """Negative log-likelihood, in nats, of each text's tokens from its place in `starts` (at least 1) on."""
        return [self._losses(text, start) for text, start in zip(texts, starts, strict=True)]

    def _losses(self, text: Sequence[int], start: int) -> list[float]:
        whole, vocabulary = min(self.stop_ids), len(self.tokenizer)
        return [
            -self._engine.log_probability(text[:place], text[place], whole=whole, vocabulary=vocabulary)
            for place in range(start, len(text))
        ]


def _gguf_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.gguf") if not file.name.startswith("."))


def _up_to(stop: frozenset[int], ids: Sequence[int]) -> list[int]:
    end = next((place for place, token in enumerate(ids) if token in stop), len(ids))
    return list(ids[: end + 1])
