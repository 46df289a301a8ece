"""What a review set is chosen for, and how its items are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuneloop.ports import Embedder, ReviewItem, ReviewKind
from tuneloop.recipes import Recipe, Strategy
from tuneloop.records import content_hash
from tuneloop.review.gold import SCORE_DIGITS, item_id
from tuneloop.review.review_sets import ReviewSets
from tuneloop.review.sampling import Chosen, stands_second
from tuneloop.workspaces import feedback_folder, generations, traffic_file

MODEL_CHARACTERS = 12
"""Items name their model by so much of its hash."""
VECTOR_DIGITS = 5

Model = tuple[str, str]
"""Folder and hash."""


@dataclass(frozen=True)
class ReviewSetup:
    """What all review sets of a recipe are made with. `threads` are for models that answer; None: torch decides."""

    recipe: Recipe
    root: Path
    workspace: Path
    threads: int | None
    embedder: Embedder

    @property
    def folder(self) -> Path:
        """The recipe's feedback."""
        return feedback_folder(self.workspace, self.recipe.name)

    @property
    def traffic(self) -> Path:
        return traffic_file(self.workspace, self.recipe.name)

    @property
    def generations(self) -> Path:
        return generations(self.workspace)


@dataclass(frozen=True)
class Occasion:
    """A set to be chosen: for what, from which models' answers, and how."""

    setup: ReviewSetup
    name: str
    kind: ReviewKind
    data_folder: Path
    model: Model
    other: Model | None
    """What the model is compared with: in a preference set side by side, else to find where they disagree."""
    shares: Mapping[Strategy, float]
    labels: Mapping[str, str]

    @property
    def recipe(self) -> Recipe:
        return self.setup.recipe

    @property
    def sets(self) -> ReviewSets:
        return ReviewSets(self.setup.folder)

    @property
    def seed(self) -> str:
        return f"{self.recipe.training.seed} {self.name}"

    @property
    def is_comparison(self) -> bool:
        return self.kind == "preference"


def item_of(
    prompt: str,
    answer: str,
    model: str,
    scores: Mapping[str, float],
    vector: NDArray[np.float32],
    labels: Mapping[str, str] | None = None,
) -> ReviewItem:
    """Numbers are rounded: nobody reads more of them, and equal ones look equal everywhere."""
    return ReviewItem(
        id=item_id(prompt),
        prompt=prompt,
        answer=answer,
        model=model,
        scores={name: round(float(value), SCORE_DIGITS) for name, value in scores.items()},
        vector=[round(float(value), VECTOR_DIGITS) for value in vector],
        labels=labels or {},
    )


def labelled(item: ReviewItem, chosen: Chosen, labels: Mapping[str, str]) -> ReviewItem:
    """With why it was chosen, and how likely that was where chance decided."""
    why = {"chosen_by": chosen.chosen_by}
    if chosen.inclusion_probability is not None:
        why["inclusion_probability"] = f"{chosen.inclusion_probability:.4g}"
    return replace(item, labels={**item.labels, **labels, **why})


def compared(occasion: Occasion, item: ReviewItem, other: str | None) -> ReviewItem:
    """With the other model's answer, in front of ours or behind it."""
    name = model_name(occasion.other) if occasion.other else ""
    if is_swapped(occasion, item.prompt):
        return replace(item, answer=other or "", model=name, alternative=item.answer, alternative_model=item.model)
    return replace(item, alternative=other, alternative_model=name)


def is_swapped(occasion: Occasion, prompt: str) -> bool:
    """Whether our answer stands behind the other one."""
    return occasion.is_comparison and stands_second(occasion.name, item_id(prompt))


def model_name(model: Model) -> str:
    return model[1][:MODEL_CHARACTERS]


def in_blind_order(name: str, items: Sequence[ReviewItem]) -> tuple[ReviewItem, ...]:
    """In an order that tells nothing."""
    return tuple(sorted(items, key=lambda item: content_hash([name, item.id])))
