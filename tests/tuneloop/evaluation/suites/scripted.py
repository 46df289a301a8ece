"""A subject that says what it is told to say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tuneloop.evaluation.generation import Generation
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.subject import Subject
from tuneloop.records import Message


@dataclass(frozen=True, slots=True)
class ScriptedSubject(Subject):
    """Answers by the text of the user's turn, `otherwise` where the script has none; remembers what it was asked."""

    script: dict[str, str] = field(default_factory=dict)
    otherwise: str = "Two hours."
    asked: list[list[Message]] = field(default_factory=list)

    def answers(
        self, prompts: Sequence[Sequence[Message]], *, max_new_tokens: int, system_prompt: str | None = None
    ) -> Generation:
        self.asked.extend(list(prompt) for prompt in prompts)
        said = [self.script.get(prompt[-1].content, self.otherwise) for prompt in prompts]
        return Generation([answer[: 4 * max_new_tokens] for answer in said], 1.0, 0.0)


def scripted(script: dict[str, str] | None = None, *, otherwise: str = "Two hours.") -> ScriptedSubject:
    nowhere = Path("nowhere")
    model = LanguageModel(nowhere)  # never loaded: nothing asks it
    return ScriptedSubject(model, "hash", "Be the support desk of a garden shop.", 4, nowhere, script or {}, otherwise)
