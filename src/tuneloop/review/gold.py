"""Hide gold items, answers whose right rating is known, among the others, to measure how well reviewers judge.

Nothing on an item gives it away: its id is made as any other's, what depends on the text is true of its text, and what
depends on a model is in between what two other items of the set have. Which items are gold is kept in the recipe's
gold.jsonl alone: {review_set, item_id, rating, tolerance, preferred, correction}. They never become rows, ratings or
evidence.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer, ReviewItem
from tuneloop.records import content_hash
from tuneloop.review.ledger import Key
from tuneloop.review.review_sets import prompt_hash
from tuneloop.review.rows import read_rows

SCORE_DIGITS = 4
Preferred = Literal["answer", "alternative", "tie"]
SWAPPED: dict[Preferred | None, Preferred | None] = {
    "answer": "alternative",
    "alternative": "answer",
    "tie": "tie",
    None: None,
}


class GoldItem(BaseModel):
    """A line of a recipe's gold file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = Field(min_length=1)
    answer: str
    rating: int | None = Field(default=None, ge=1, le=5, description="what a careful reviewer gives")
    tolerance: int = Field(default=1, ge=0, le=4, description="ratings so far from it are right as well")
    alternative: str | None = Field(default=None, description="a second answer: the item is for preference sets")
    preferred: Preferred | None = Field(default=None, description="which of the two is better")
    correction: str | None = Field(default=None, description="what should have been answered")
    note: str = Field(default="", description="why, for whoever maintains the file; nobody is shown it")

    @model_validator(mode="after")
    def _says_what_is_right(self) -> GoldItem:
        if (self.alternative is None) != (self.preferred is None):
            raise ValueError("`alternative` and `preferred` belong together")
        if self.alternative is None and self.rating is None:
            raise ValueError("it needs a `rating` from 1 to 5, or an `alternative` and which is `preferred`")
        return self


def read_gold(file: Path) -> list[GoldItem]:
    """The gold items of a recipe, in the file's order.

    Raises:
        DataError: no such file, a line that is no gold item (the message names line and key, not the text), or two
            lines with the same prompt and form.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DataError(
            f"there are no gold items at {file}; mend `review.gold` in the recipe or leave it out"
        ) from error
    items = [_parsed(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]
    twice = Counter((prompt_hash(item.prompt), item.alternative is None) for item in items)
    if doubled := sum(count > 1 for count in twice.values()):
        raise DataError(f"{file} has {doubled} prompts on more than one line; keep one line for each")
    return items


def gold_count(records: int, share: float) -> int:
    """How many gold items make up `share` of a set that has so many other records."""
    return round(records * share / (1 - share)) if share < 1 else records


def pick_gold(
    items: Iterable[GoldItem], *, review_set: str, count: int, used: Iterable[Mapping[str, Any]]
) -> list[GoldItem]:
    """At most `count` items for the set: those that have been in the fewest sets, chance deciding between equals.

    `used` are the lines of gold.jsonl.
    """
    times = Counter(row["item_id"] for row in used)
    by_use = sorted(items, key=lambda item: (times[item_id(item.prompt)], content_hash([review_set, item.prompt])))
    return by_use[:count]


def item_id(prompt: str) -> str:
    """The id of an item, gold or not."""
    return prompt_hash(prompt)[:16]


def disguise(item: ReviewItem, others: Sequence[ReviewItem], *, of_text: frozenset[str], seed: str) -> ReviewItem:
    """The item with scores and labels such as the others have; its model and scores named in `of_text` are its own."""
    by_chance = sorted(others, key=lambda other: content_hash([seed, item.id, other.id]))
    like = by_chance[0]
    scores = {
        name: item.scores[name] if name in of_text and name in item.scores else _between(name, by_chance)
        for name in like.scores
    }
    return replace(item, scores=scores, labels=dict(like.labels))


def _between(name: str, others: Sequence[ReviewItem]) -> float:
    """An item with the very number of another one would look odd to whoever sorts by it."""
    values = [other.scores[name] for other in others if name in other.scores][:2]
    return round(fmean(values), SCORE_DIGITS)


def gold_row(item: GoldItem, review_set: str, *, swapped: bool = False) -> dict[str, Any]:
    """The line for gold.jsonl. `swapped`: the alternative stands first in the set."""
    return {
        "review_set": review_set,
        "item_id": item_id(item.prompt),
        "rating": item.rating,
        "tolerance": item.tolerance,
        "preferred": SWAPPED[item.preferred] if swapped else item.preferred,
        "correction": item.correction,
    }


def _parsed(line: str, file: Path, number: int) -> GoldItem:
    try:
        return GoldItem.model_validate(json.loads(line))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the line"
        raise DataError(f"{file} line {number}: {where}: {first['msg']}") from None
    except ValueError as error:
        raise DataError(f"{file} line {number} is not JSON; mend the line or delete it") from error


GOLD = "gold.jsonl"
DEFAULT_TOLERANCE = 1


@dataclass(frozen=True, slots=True)
class Gold:
    """What is right of a gold item; None where it says nothing."""

    rating: int | None
    tolerance: int
    preferred: str | None

    def is_met_by(self, answer: ReviewAnswer) -> bool | None:
        """Whether this person got it right; None where nothing can be compared."""
        found = []
        if self.rating is not None and answer.rating is not None:
            found.append(abs(answer.rating - self.rating) <= self.tolerance)
        if self.preferred is not None and answer.preferred is not None:
            found.append(answer.preferred == self.preferred)
        return all(found) if found else None


def read_gold_ledger(folder: Path) -> dict[Key, Gold]:
    """The gold items of a feedback folder: whoever publishes a set notes there which of its records are gold.

    Raises:
        DataError: a line is damaged.
    """
    return dict(_gold(row, folder / GOLD) for row in read_rows(folder / GOLD))


def _gold(row: dict[str, Any], file: Path) -> tuple[Key, Gold]:
    if "review_set" not in row or "item_id" not in row:
        raise DataError(f"{file}: a line has no review_set or item_id; restore the file from a backup")
    tolerance = row.get("tolerance")
    gold = Gold(row.get("rating"), DEFAULT_TOLERANCE if tolerance is None else int(tolerance), row.get("preferred"))
    return (str(row["review_set"]), str(row["item_id"])), gold
