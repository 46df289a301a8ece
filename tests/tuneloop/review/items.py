"""Items of a review set, with everything but what a test is about filled in."""

from dataclasses import replace

from tuneloop.ports import ReviewItem
from tuneloop.review.gold import item_id
from tuneloop.review.review_sets import ReviewSet


def item(prompt: str, **changes) -> ReviewItem:
    plain = ReviewItem(item_id(prompt), prompt, f"answer to {prompt}", "model", {"log_probability": -0.5}, (0.6, 0.8))
    return replace(plain, **changes)


def review_set(name: str, *prompts: str, **changes) -> ReviewSet:
    return replace(ReviewSet(name, "answers", tuple(map(item, prompts)), {"random": len(prompts)}), **changes)
