"""Texts said in other words by a chat model in a local folder. Greedy, so the same text always becomes the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneloop import chat
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message

BATCH_ROWS = 32
MAX_TEXT_TOKENS = 768
"""Longer texts are left as they are: a small model loses itself in them."""

MAX_GROWTH, EXTRA_TOKENS = 2.0, 24
"""Tokens an answer may have per token of its text, and beyond that; one that is cut off there counts as none."""

_OPENING = re.compile(r"\A(?:sure|certainly|of course|here(?:'s| is)|okay)\b[^\n]{0,120}:\s*\n+", re.IGNORECASE)
_QUOTES = (('"', '"'), ("“", "”"), ("'", "'"))


class LocalRewriter:
    """A `Rewriter`. The model is loaded when the first text comes.

    Args:
        folder: safetensors and a tokenizer with a chat template, as `prepare_base` of training gives them; code
            that comes with a model is never run.
        threads: CPU threads; None takes every core that this process may use.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        self._model = LanguageModel(folder, threads=threads)

    def rewrite(self, texts: Sequence[str], instruction: str) -> list[str]:
        """What the model makes of each text; "" for empty and overlong ones, and where it did not come to an end.

        Raises:
            ModelError: the folder holds no model that can be read.
        """
        lengths = {i: len(self._model.tokenizer.encode(t)) for i, t in enumerate(texts) if t.strip()}
        rows = sorted((i for i, n in lengths.items() if n <= MAX_TEXT_TOKENS), key=lambda i: lengths[i])
        new = [""] * len(texts)
        for batch in _batches(rows):
            prompts = [self._prompt(texts[i], instruction) for i in batch]
            limit = int(MAX_GROWTH * lengths[batch[-1]]) + EXTRA_TOKENS
            for place, answer in zip(batch, self._model.answers(prompts, max_new_tokens=limit), strict=True):
                is_finished = bool(answer) and answer[-1] in self._model.stop_ids
                new[place] = _bare(self._model.text(answer), texts[place]) if is_finished else ""
        return new

    def _prompt(self, text: str, instruction: str) -> list[int]:
        """The instruction as the system's turn, apart from a text that may hold instructions of its own."""
        return chat.prompt_ids(self._model.tokenizer, [Message("system", instruction), Message("user", text)], "")


def _batches(rows: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(rows), BATCH_ROWS):
        yield rows[start : start + BATCH_ROWS]


def _bare(answer: str, text: str) -> str:
    """Without what models put around a message: an opening line, and quotation marks that the text did not have."""
    answer = _OPENING.sub("", answer.replace(chat.ZERO_WIDTH_SPACE, "").strip()).strip()
    for opening, closing in _QUOTES:
        if answer[:1] == opening and answer[-1:] == closing and text.strip()[:1] != opening:
            answer = answer[1:-1].strip()
    return answer
