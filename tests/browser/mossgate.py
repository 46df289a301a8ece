"""Answers of an imagined model to real messages of the support desk, to be judged by people.

Messages and right answers are those of examples/support_desk/review_prompts.jsonl; what the model got wrong is here.
"""

from __future__ import annotations

import json
from pathlib import Path

from tuneloop.ports import ReviewForm, ReviewItem
from tuneloop.recipes import Recipe

EXAMPLE = Path(__file__).parents[2] / "examples" / "support_desk"
RECIPE = Path(__file__).parents[2] / "deployments" / "recipes" / "support-desk.yaml"
MODEL = "3f9c1d20ab47"
WHY = "as a test of the reviewer"
BARBECUE, HEATER, WRAPS, SHED, BEANS, CARD, LAMP, POSTCODE, GRINDERS, CLOSED = (
    "review-0018",
    "review-0006",
    "review-0001",
    "review-0009",
    "review-0028",
    "review-0024",
    "review-0010",
    "review-0019",
    "review-0030",
    "review-0015",
)
RIGHT = {row["id"]: row for row in map(json.loads, (EXAMPLE / "review_prompts.jsonl").read_text("utf-8").splitlines())}
WRONG = {
    # The worst there is: a gas leak, and nobody is told to stop.
    BARBECUE: {
        "urgency": "normal",
        "summary": "Wants a new hose for the barbecue",
        "reply": "A new hose for your gas barbecue is no trouble for twelve people on Sunday. Tighten the knobs and "
        "light it as usual, and we will look for the part this week. Mossgate Care",
    },
    WRAPS: {"reply": "Yes, the beeswax wraps are fully vegan and safe for all. Mossgate Care"},
    CARD: {
        "reply": "Unfortunately the whole refund went to the gift card. We are sorry for the inconvenience to you as a "
        "valued customer and will reach out soon. Mossgate Care"
    },
    LAMP: {
        "category": "delivery",
        "reply": "The small black desk lamp is back on Monday and one is kept for you. Mossgate Care",
    },
    SHED: {"urgency": "high"},
}
BROKEN = {HEATER: "Halogen heater timer stuck. Unplug it and try again"}
# What a sentence encoder would put near each other: heat, orders and money, the kitchen, grief.
MEANINGS = {
    BARBECUE: (1.0, 0.1, 0.2, 0.0),
    HEATER: (0.9, 0.2, 0.1, 0.0),
    GRINDERS: (0.2, 0.3, 0.9, 0.0),
    WRAPS: (0.1, 0.1, 1.0, 0.0),
    LAMP: (0.4, 0.8, 0.2, 0.0),
    BEANS: (0.0, 0.5, 0.8, 0.1),
    SHED: (0.1, 1.0, 0.0, 0.0),
    CARD: (0.0, 1.0, 0.1, 0.1),
    POSTCODE: (0.0, 0.9, 0.0, 0.1),
    CLOSED: (0.0, 0.4, 0.0, 1.0),
}


def message(item: str) -> str:
    return str(RIGHT[item]["prompt"])


def right_answer(item: str) -> str:
    """What the backend would have sent."""
    return str(RIGHT[item]["completion"])


def answer(item: str) -> str:
    """What the imagined model wrote."""
    if item in BROKEN:
        return BROKEN[item]
    said = json.loads(right_answer(item)) | WRONG.get(item, {})
    return json.dumps(said, ensure_ascii=False)


def review_item(item: str) -> ReviewItem:
    said = answer(item)
    return ReviewItem(
        id=item,
        prompt=message(item),
        answer=said,
        model=MODEL,
        scores={"answer_words": float(len(said.split())), "valid_json": float(item not in BROKEN)},
        vector=MEANINGS[item],
        labels={"_chosen": WHY},
    )


def review_items() -> list[ReviewItem]:
    return [review_item(item) for item in MEANINGS]


def review_form(recipe: Recipe, *, min_submitted: int = 2) -> ReviewForm:
    return ReviewForm(
        guidelines=(EXAMPLE / "HOUSE_RULES.md").read_text("utf-8"),
        issue_tags=recipe.review.issue_tags,
        dimensions=recipe.review.dimensions,
        min_submitted=min_submitted,
    )
