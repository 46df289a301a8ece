"""Short questions of general skill: did the model forget what it could do before it was fine-tuned?"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from tuneloop.evaluation.losses import text_losses
from tuneloop.evaluation.subject import Subject
from tuneloop.evaluation.suites.forms import Form, form_faults
from tuneloop.evaluation.suites.item_files import MAX_CHARACTERS, Item, hash_items, read_items
from tuneloop.evaluation.suites.suite import SuiteScores
from tuneloop.evaluation.suites.wording import says
from tuneloop.records import Message

SCORING = 2
"""Raise it when the same answers may get other scores than before."""


class Probe(Item):
    """A question with a short answer or a wanted form, and a plain sentence whose loss is measured."""

    prompt: str = Field(min_length=1, max_length=MAX_CHARACTERS)
    accept: tuple[str, ...] = ()
    form: Form | None = None
    text: str = Field(min_length=8, max_length=MAX_CHARACTERS)

    @model_validator(mode="after")
    def _can_be_judged(self) -> Probe:
        if not self.accept and self.form is None:
            raise ValueError("give the answers to `accept`, or the `form` that an answer must have")
        if not all(answer.strip() for answer in self.accept):
            raise ValueError("an empty accepted answer is in every answer; leave it out")
        return self


@dataclass(frozen=True)
class Forgetting:
    """Metrics: `general_skills` (0 or 1) and `probe_loss` (nats per token of the probe's sentence; lower is better).

    Asked without the recipe's system prompt, which would make another task of it.

    Args:
        items: JSONL of `Probe`; None: the set we wrote.
        max_items: a stable sample, spread over the skills.
        max_new_tokens: enough for a sentence that holds the answer.
    """

    items: Path | None = None
    max_items: int | None = None
    max_new_tokens: int = 24
    name: str = "forgetting"

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        return read_items(self.items, "forgetting", Probe, self.max_items)

    def identity(self) -> Any:
        return {"items": hash_items(self.probes), "scoring": SCORING, "max_new_tokens": self.max_new_tokens}

    def measure(self, subject: Subject) -> SuiteScores:
        """One row per probe: id, cluster, category, general_skills, probe_loss.

        Raises:
            DataError: broken items.
        """
        import pandas as pd

        prompts = [[Message("user", probe.prompt)] for probe in self.probes]
        said = subject.answers(prompts, max_new_tokens=self.max_new_tokens, system_prompt="").answers
        failures = [why_wrong(probe, answer) for probe, answer in zip(self.probes, said, strict=True)]
        frame = pd.DataFrame(
            {
                "id": [probe.id for probe in self.probes],
                "cluster": [probe.id for probe in self.probes],
                "category": [probe.category for probe in self.probes],
                "general_skills": [float(failure is None) for failure in failures],
                "probe_loss": text_losses(subject.model, [probe.text for probe in self.probes]),
            }
        )
        answers = tuple(
            {"id": p.id, "category": p.category, "prompt": p.prompt, "answer": answer, "failure": failure}
            for p, answer, failure in zip(self.probes, said, failures, strict=True)
        )
        return SuiteScores(frame, ("general_skills", "probe_loss"), frozenset({"probe_loss"}), answers)


def why_wrong(probe: Probe, answer: str) -> str | None:
    """What is wrong with the answer, in words; None where it is right.

    An accepted answer may stand anywhere in it, as whole words; an answer without the wanted form is wrong even then.
    """
    faults = [] if probe.form is None else form_faults(probe.form, answer)
    if probe.accept and not any(says(answer, wanted) for wanted in probe.accept):
        faults.append("holds none of the accepted answers")
    return "; ".join(faults) or None
