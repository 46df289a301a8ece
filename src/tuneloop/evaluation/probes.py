"""Probes of general skills: did the model forget what it could do before it was fine-tuned?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tuneloop.errors import DataError
from tuneloop.evaluation.generation import generate_answers
from tuneloop.evaluation.language_model import LanguageModel
from tuneloop.evaluation.losses import text_losses
from tuneloop.records import Message, content_hash

if TYPE_CHECKING:
    import pandas as pd

MAX_NEW_TOKENS = 16


class Probe(BaseModel):
    """A question with a short answer, and a plain sentence that says the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    skill: str
    prompt: str
    accept: tuple[str, ...] = Field(min_length=1)
    text: str


def load_probes(file: Path, *, max_probes: int | None = None) -> list[Probe]:
    """The probes of a JSONL file, or a stable sample of them that is spread over the skills.

    Raises:
        DataError: no such file, or a line that is no probe.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(f"there are no probes at {file}; see `evaluation.probes` in the recipe") from error
    probes = [_parse(line, number, file) for number, line in enumerate(lines, 1) if line.strip()]
    return probes if max_probes is None else _spread(probes, max_probes)


def accepts(probe: Probe, answer: str) -> bool:
    """Whether one of the accepted answers stands in `answer` as whole words, in upper or lower case."""
    said = " ".join(answer.split())
    return any(_whole_words(wanted).search(said) for wanted in probe.accept)


def score_probes(
    model: LanguageModel, probes: Sequence[Probe], *, model_hash: str, batch_size: int, cache: Path
) -> pd.DataFrame:
    """One row per probe: id, cluster, skill, general_skills (0 or 1), probe_loss (nats per token of its text).

    Asked without the recipe's system prompt, which would make another task of it.
    """
    import pandas as pd

    generation = generate_answers(
        model=model,
        model_hash=model_hash,
        prompts=[[Message("user", probe.prompt)] for probe in probes],
        system_prompt="",
        max_new_tokens=MAX_NEW_TOKENS,
        batch_size=batch_size,
        cache=cache,
    )
    right = [float(accepts(probe, answer)) for probe, answer in zip(probes, generation.answers, strict=True)]
    return pd.DataFrame(
        {
            "id": [probe.id for probe in probes],
            "cluster": [probe.id for probe in probes],
            "skill": [probe.skill for probe in probes],
            "general_skills": right,
            "probe_loss": text_losses(model, [probe.text for probe in probes]),
        }
    )


def _parse(line: str, number: int, file: Path) -> Probe:
    try:
        return Probe.model_validate(json.loads(line))
    except (ValueError, ValidationError) as error:
        raise DataError(f"{file}, line {number} is no probe (id, skill, prompt, accept, text)") from error


def _spread(probes: Sequence[Probe], count: int) -> list[Probe]:
    """`count` probes, one skill after the other; within a skill by the hash of their ids."""
    skills = sorted({probe.skill for probe in probes})
    shuffled = sorted(probes, key=lambda probe: content_hash(probe.id))
    rounds = zip_longest(*([p for p in shuffled if p.skill == skill] for skill in skills))
    return [probe for turn in rounds for probe in turn if probe is not None][:count]


def _whole_words(wanted: str) -> re.Pattern[str]:
    """Not inside a longer word, and a number not inside a decimal one: "5" is not in "0.5"."""
    words = re.escape(" ".join(wanted.split()))
    return re.compile(rf"(?<!\w)(?<!\d[.,]){words}(?!\w)(?![.,]\d)", re.IGNORECASE)
