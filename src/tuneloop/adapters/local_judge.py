"""A judge in a local folder. Greedy, so the same question always gets the same verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuneloop import chat
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.records import Message

BATCH_QUESTIONS = 8
MAX_NEW_TOKENS = 16


class LocalJudge:
    """A `Completer`. The model is loaded when the first question comes.

    Args:
        folder: safetensors and a tokenizer with a chat template; code that comes with a model is never run.
        model_hash: of the folder; names the model in the cache of verdicts.
        max_question_tokens: longer questions are not asked, as half a question has no answer.
        threads: CPU threads; None takes every core that this process may use.
    """

    def __init__(
        self, folder: Path, *, model_hash: str, max_question_tokens: int = 4096, threads: int | None = None
    ) -> None:
        self._model = LanguageModel(folder, threads=threads)
        self._model_hash = model_hash
        self._max_question_tokens = max_question_tokens

    @property
    def identity(self) -> str:
        return self._model_hash

    def complete(self, instructions: str, questions: Sequence[str]) -> Iterator[str]:
        """Answers in the order of the questions, batch by batch; "" for one that is too long.

        Raises:
            ModelError: the folder holds no model that can be read.
        """
        for start in range(0, len(questions), BATCH_QUESTIONS):
            yield from self._answers(instructions, questions[start : start + BATCH_QUESTIONS])

    def _answers(self, instructions: str, questions: Sequence[str]) -> list[str]:
        tokenizer = self._model.tokenizer
        turns = [[Message("system", instructions), Message("user", question)] for question in questions]
        prompts = {row: chat.prompt_ids(tokenizer, messages, "") for row, messages in enumerate(turns)}
        limit = min(self._max_question_tokens, int(tokenizer.model_max_length) - MAX_NEW_TOKENS)
        short = {row: ids for row, ids in prompts.items() if len(ids) <= limit}
        if not short:
            return [""] * len(questions)
        answers = self._model.answers(list(short.values()), max_new_tokens=MAX_NEW_TOKENS)
        said = {row: self._model.text(ids) for row, ids in zip(short, answers, strict=True)}
        return [said.get(row, "") for row in range(len(questions))]
