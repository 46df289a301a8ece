"""Review items as a support desk has them: a message, an answer in JSON, three scores, a vector of 384 numbers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from benchmarks.support_rows import make_rows
from tuneloop.ports import ReviewForm, ReviewItem

DIMENSIONS = 384
VECTOR = "meaning"
SET = "prepared-round-1"
PEOPLE = 8
MODELS = ("3f1c5d0a9b12", "a07be4419c33", "d2e6f8b01577")
FORM = ReviewForm(
    "Rate each answer, and correct it where you would have written something else.",
    issue_tags=("wrong_category", "not_json", "voice", "incomplete"),
    min_submitted=2,
)


def make_items(count: int, seed: int = 5) -> list[ReviewItem]:
    """The same items for the same seed. Prompts have about 350 characters, answers about 400."""
    chance = np.random.default_rng(seed)
    return [_item(f"{seed}-{number:06d}", row, chance) for number, row in enumerate(_rows(count, seed))]


def _rows(count: int, seed: int) -> Iterator[dict[str, str]]:
    return iter(make_rows(count, seed))


def _item(name: str, row: dict[str, str], chance: np.random.Generator) -> ReviewItem:
    vector = chance.normal(size=DIMENSIONS)
    answer = {"category": "delivery", "urgency": "medium", "sentiment": "neutral", "reply": row["completion"]}
    return ReviewItem(
        id=f"item-{name}",
        prompt=row["prompt"],
        answer=json.dumps(answer),
        model=str(chance.choice(MODELS)),
        scores={
            "rouge_l": round(float(chance.beta(4, 4)), 4),
            "mean_log_probability": round(float(-chance.exponential()), 4),
            "answer_words": float(len(row["completion"].split())),
        },
        vector=[round(float(x), 6) for x in vector / np.linalg.norm(vector)],
    )


def only_word(item_id: str) -> str:
    """A word that is in this item's prompt and nowhere else."""
    return "ticket" + item_id.replace("-", "x")
