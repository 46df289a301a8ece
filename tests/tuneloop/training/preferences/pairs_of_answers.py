"""Pairs of answers to questions about parcels."""

from __future__ import annotations

from tuneloop.records import Message, Record

TOPICS = ("lamp", "kettle", "mower", "quilt")
SYSTEM_PROMPT = "Be brief."


def pair(number: int) -> Record:
    topic = TOPICS[number % len(TOPICS)]
    turns = (
        Message("user", f"The {topic} is late. " * (1 + number % 3)),
        Message("assistant", f'{{"category": "delivery", "summary": "{topic}"}}'),
    )
    return Record(f"p{number}", turns, "tests", number + 1, rejected=f'{{"category": "I do not know the {topic}')
