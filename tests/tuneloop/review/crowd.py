"""A simulated team: records have a true rating, and each person has a way of judging them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tests.tuneloop.review.answers import said
from tuneloop.ports import ReviewAnswer

Judge = Callable[[random.Random, int], int]
"""True rating -> the rating a person gives."""

START = datetime.fromisoformat("2026-11-02T09:00:00+00:00")


def careful(chance: random.Random, truth: int) -> int:
    """Mostly right, sometimes one off."""
    return min(5, max(1, truth + chance.choice((0, 0, 0, -1, 1))))


def careless(chance: random.Random, truth: int) -> int:
    """Anything."""
    return chance.randint(1, 5)


def malicious(chance: random.Random, truth: int) -> int:
    """The opposite."""
    return 6 - truth


def always_five(chance: random.Random, truth: int) -> int:
    return 5


def judged_by(
    people: Mapping[str, Judge],
    *,
    records: int,
    per_record: int,
    seed: int,
    seconds: Mapping[str, float] | None = None,
) -> list[ReviewAnswer]:
    """Each record judged by `per_record` people drawn at random; item `i<n>` has a true rating of n % 5 + 1.

    `seconds` is how long a record takes each person (a minute by default); everybody works without a break.
    """
    chance = random.Random(seed)
    clocks = dict.fromkeys(people, START)
    answers = []
    for number in range(records):
        for name in chance.sample(sorted(people), per_record):
            clocks[name] += timedelta(seconds=(seconds or {}).get(name, 60) * chance.uniform(0.6, 1.4))
            answers.append(
                said(
                    response_id=f"{name}-{number}",
                    item_id=f"i{number}",
                    prompt=f"prompt {number}",
                    reviewer=name,
                    rating=people[name](chance, truth_of(number)),
                    correction=None,
                    issues=(),
                    submitted_at=clocks[name].isoformat(),
                    started_at=clocks[name].isoformat(),
                )
            )
    return answers


def truth_of(number: int) -> int:
    return number % 5 + 1


def gold_rows(numbers: Sequence[int], review_set: str = "desk-round-1") -> list[dict[str, object]]:
    return [
        {"review_set": review_set, "item_id": f"i{n}", "rating": truth_of(n), "tolerance": 1, "preferred": None}
        for n in numbers
    ]
