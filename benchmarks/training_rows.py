"""Rows to train on, of uneven length: conversations of the support desk, or a real company's FAQ."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from tuneloop.records import Message, Record

CONVERSATIONS = Path(__file__).parents[1] / "examples" / "support_desk" / "train.jsonl"
EXCHANGES = (1, 1, 2, 1, 1, 3, 1, 1)
SEED = 17


@dataclass(frozen=True, slots=True)
class Source:
    """Rows and the system prompt they are trained with."""

    system_prompt: str
    rows: list[Record]


def read(name: str) -> Source:
    """All rows of `conversations` or `faq`, in an order that is always the same."""
    if name == "faq":
        prompt = "You answer questions about building in southern Sweden for the construction firm Zaragoza."
        rows = list(_faq())
    else:
        prompt = "You are a support desk. Answer with one JSON object: category, urgency, sentiment, summary, reply."
        rows = list(_conversations())
    random.Random(SEED).shuffle(rows)
    return Source(prompt, rows)


def padding_share(lengths: Sequence[int], batch: int) -> float:
    """The share of a padded batch that is padding, rows taken in this order."""
    batches = [lengths[i : i + batch] for i in range(0, len(lengths), batch)]
    return 1 - sum(lengths) / sum(len(part) * max(part) for part in batches)


def _conversations() -> Iterator[Record]:
    """One to three exchanges each, made of the sound rows of the support desk's training data."""
    exchanges, number = _exchanges(), 0
    while True:
        turns = [turn for _ in range(EXCHANGES[number % len(EXCHANGES)]) for turn in next(exchanges, ())]
        if not turns:
            return
        yield Record(f"conversation-{number}", tuple(turns), "bench", number)
        number += 1


def _exchanges() -> Iterator[tuple[Message, Message]]:
    for line in CONVERSATIONS.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
            question, answer = row["prompt"], json.dumps(json.loads(row["completion"]))
        except (ValueError, KeyError, TypeError):
            continue  # the file has flawed rows on purpose
        if isinstance(question, str):
            yield Message("user", question), Message("assistant", answer)


def _faq() -> Iterator[Record]:
    text = (files("zaragoza_construction_faq") / "data" / "faq-en-alpaca.jsonl").read_text(encoding="utf-8")
    for number, line in enumerate(text.splitlines()):
        row = json.loads(line)
        question = "\n\n".join(part for part in (row["instruction"], row["input"]) if part)
        yield Record(f"faq-{number}", (Message("user", question), Message("assistant", row["output"])), "bench", number)
