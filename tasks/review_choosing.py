"""Choosing a review set: which records, what stands on them, and the gold items among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks import wiring
from tasks.review_answers import (
    DIFFERENCE,
    LOG_PROBABILITY,
    MODEL_CHARACTERS,
    Answers,
    Model,
    answers_of,
    pool_of,
    text_scores,
    vectors_of,
)
from tasks.review_prompts import clusters_of, gold_of, open_prompts, tested_prompts
from tuneloop.ports import ReviewItem, ReviewKind
from tuneloop.recipes import Recipe, Strategy
from tuneloop.records import content_hash
from tuneloop.review.comparing import differences, stands_second
from tuneloop.review.gold_items import SCORE_DIGITS, GoldItem, disguise, gold_count, gold_row, item_id, pick_gold
from tuneloop.review.open_prompts import open_positions
from tuneloop.review.review_sets import GOLD, ReviewSet, ReviewSets, prompt_hash
from tuneloop.review.rows import read_rows
from tuneloop.review.sampling import Chosen, Pool, Sample, Vectors, choose, draw_pool

POOL_TIMES_BUDGET = 4
"""So many prompts are answered for each that is chosen: the more, the worse are the worst of them, and the longer it
takes (docs/review-sampling.md)."""
VECTOR_DIGITS = 5
WITH_GOLD: frozenset[ReviewKind] = frozenset({"answers", "preference", "drifted_slice"})


@dataclass(frozen=True)
class Occasion:
    """A set to be chosen: for what, from which models' answers, and how."""

    recipe: Recipe
    name: str
    kind: ReviewKind
    data_folder: Path
    model: Model
    other: Model | None
    """What the model is compared with: in a preference set side by side, else to find where they disagree."""
    shares: Mapping[Strategy, float]
    labels: Mapping[str, str]

    @property
    def sets(self) -> ReviewSets:
        return ReviewSets(wiring.feedback_folder(self.recipe.name))

    @property
    def seed(self) -> str:
        return f"{self.recipe.training.seed} {self.name}"

    @property
    def is_comparison(self) -> bool:
        return self.kind == "preference"


def choose_answers(occasion: Occasion, prompts: Sequence[str]) -> ReviewSet | None:
    """The set, as it was chosen the first time; None where no prompt may be asked about.

    Of all open prompts a pool is drawn at random and answered, and from the pool the budget is spent.
    """
    if (found := occasion.sets.find(occasion.name)) is not None:
        return found
    recipe, tested = occasion.recipe, tested_prompts(occasion.data_folder)
    open_ = open_prompts(recipe, prompts, occasion.sets, tested)
    keys = [prompt_hash(prompts[position]) for position in open_]
    drawn = draw_pool(keys, POOL_TIMES_BUDGET * recipe.review.max_records, occasion.seed)
    if not drawn:
        return None
    items, pool = _answered(occasion, [prompts[open_[place]] for place in drawn], len(drawn) / len(open_))

    def make() -> ReviewSet | None:
        """Under the lock: whatever another set has taken meanwhile is left out."""
        still = open_prompts(recipe, [item.prompt for item in items], occasion.sets, tested)
        sample = choose(pool.only(still), budget=recipe.review.max_records, shares=occasion.shares, seed=occasion.seed)
        chosen = [labelled(items[still[c.position]], c, occasion.labels) for c in sample.chosen]
        return with_gold(occasion, chosen, sample, tested) if chosen else None

    return occasion.sets.keep(occasion.name, make)


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


def with_gold(occasion: Occasion, chosen: Sequence[ReviewItem], sample: Sample, tested: Sequence[str]) -> ReviewSet:
    """The set: what was chosen and some gold items, in an order that tells nothing."""
    picked = _gold(occasion, len(chosen), tested)
    hidden = [
        disguise(item, chosen, of_text=frozenset(item.scores), seed=occasion.name)
        for item in _gold_items(occasion, picked)
    ]
    return ReviewSet(
        name=occasion.name,
        kind=occasion.kind,
        items=in_blind_order(occasion.name, [*chosen, *hidden]),
        counts=dict(Counter(c.chosen_by for c in sample.chosen)) | ({"gold": len(picked)} if picked else {}),
        notes=sample.notes,
        gold=tuple(
            gold_row(item, occasion.name, swapped=occasion.is_comparison and _swapped(occasion, item.prompt))
            for item in picked
        ),
    )


def in_blind_order(name: str, items: Sequence[ReviewItem]) -> tuple[ReviewItem, ...]:
    return tuple(sorted(items, key=lambda item: content_hash([name, item.id])))


def _answered(occasion: Occasion, prompts: Sequence[str], share_of_open: float) -> tuple[list[ReviewItem], Pool]:
    """An item for each prompt, and what the strategies go by."""
    recipe = occasion.recipe
    ours = answers_of(recipe, occasion.model, prompts)
    wants_other = occasion.is_comparison or occasion.shares.get("disagreement")
    theirs = answers_of(recipe, occasion.other, prompts) if occasion.other and wants_other else None
    scores, vectors = text_scores(recipe, ours.texts), vectors_of(prompts)
    items = _items(occasion, prompts, ours, theirs, scores, vectors)
    pool = pool_of(
        recipe,
        prompts,
        ours,
        theirs,
        vectors=vectors,
        scores=scores,
        shares=occasion.shares,
        data_folder=occasion.data_folder,
    )
    pool = replace(pool, share_of_open=share_of_open)
    if not occasion.is_comparison:
        return items, pool
    differ = [place for place, item in enumerate(items) if item.answer.strip() != (item.alternative or "").strip()]
    return [items[place] for place in differ], pool.only(differ)


def _items(
    occasion: Occasion,
    prompts: Sequence[str],
    ours: Answers,
    theirs: Answers | None,
    scores: Sequence[Mapping[str, float]],
    vectors: Vectors,
) -> list[ReviewItem]:
    apart = differences(ours.texts, theirs.texts) if theirs else None
    items = []
    for place, prompt in enumerate(prompts):
        own = {**scores[place], LOG_PROBABILITY: ours.log_probabilities[place]}
        between = {DIFFERENCE: apart[place]} if apart else {}
        seen = between if occasion.is_comparison else own | between
        plain = item_of(prompt, ours.texts[place], _name(occasion.model), seen, vectors[place])
        items.append(_compared(occasion, plain, theirs.texts[place]) if occasion.is_comparison and theirs else plain)
    return items


def _compared(occasion: Occasion, item: ReviewItem, other: str | None) -> ReviewItem:
    """With the other model's answer, in front of ours or behind it."""
    name = _name(occasion.other) if occasion.other else ""
    if _swapped(occasion, item.prompt):
        return replace(item, answer=other or "", model=name, alternative=item.answer, alternative_model=item.model)
    return replace(item, alternative=other, alternative_model=name)


def _name(model: Model) -> str:
    return model[1][:MODEL_CHARACTERS]


def _swapped(occasion: Occasion, prompt: str) -> bool:
    return stands_second(occasion.name, item_id(prompt))


def _gold(occasion: Occasion, records: int, tested: Sequence[str]) -> list[GoldItem]:
    """Gold items of the set's form that were never an ordinary record, and are no near-copies of what is tested."""
    review = occasion.recipe.review
    fitting = [i for i in gold_of(occasion.recipe) if (i.alternative is not None) == occasion.is_comparison]
    if occasion.kind not in WITH_GOLD or not fitting:
        return []
    used = read_rows(occasion.sets.folder / GOLD)
    ordinary = {found[:16] for found in occasion.sets.ledger.asked()} - {row["item_id"] for row in used}
    unseen = open_positions(
        [item.prompt for item in fitting], asked=(), avoided=tested, clusters=clusters_of(occasion.recipe)
    )
    items = [fitting[place] for place in unseen if item_id(fitting[place].prompt) not in ordinary]
    count = gold_count(records, review.gold_share)
    return pick_gold(items, review_set=occasion.name, count=count, used=used)


def _gold_items(occasion: Occasion, picked: Sequence[GoldItem]) -> list[ReviewItem]:
    """As the set's other items, with the scores that a text has by itself."""
    if not picked:
        return []
    vectors = vectors_of([item.prompt for item in picked])
    texts = [item.answer for item in picked]
    if occasion.is_comparison:
        scores = [{DIFFERENCE: d} for d in differences(texts, [item.alternative or "" for item in picked])]
    else:
        scores = text_scores(occasion.recipe, texts)
    made = []
    for item, vector, own in zip(picked, vectors, scores, strict=True):
        plain = item_of(item.prompt, item.answer, _name(occasion.model), own, vector)
        made.append(_compared(occasion, plain, item.alternative) if occasion.is_comparison else plain)
    return made
