"""Choosing a set of models' answers: which prompts, and what stands on them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tasks import wiring
from tasks.review_answers import (
    DIFFERENCE,
    LOG_PROBABILITY,
    Answers,
    answers_of,
    pool_of,
    text_scores,
    vectors_of,
)
from tasks.review_gold import hidden_gold
from tasks.review_items import Occasion, compared, in_blind_order, item_of, labelled, model_name
from tasks.review_prompts import open_prompts, tested_prompts, unlike_tests
from tuneloop.ports import ReviewItem
from tuneloop.review.review_sets import ReviewSet, prompt_hash
from tuneloop.review.sampling import Pool, Sample, Vectors, choose, differences, draw_pool

POOL_TIMES_BUDGET = 4
"""So many prompts are answered for each that is chosen: the more, the worse are the worst of them, and the longer it
takes (docs/review-sampling.md)."""


def choose_answers(occasion: Occasion, prompts: Sequence[str]) -> ReviewSet | None:
    """The set, as it was chosen the first time; None where no prompt may be asked about.

    Of all open prompts a pool is drawn at random and answered, and from the pool the budget is spent.
    """
    if (found := occasion.sets.find(occasion.name)) is not None:
        return found
    recipe, tested = occasion.recipe, tested_prompts(occasion.data_folder)
    prompts = unlike_tests(recipe, prompts, tested, wiring.embedder())
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
        return _set_of(occasion, chosen, sample, tested) if chosen else None

    return occasion.sets.keep(occasion.name, make)


def _set_of(occasion: Occasion, chosen: Sequence[ReviewItem], sample: Sample, tested: Sequence[str]) -> ReviewSet:
    """What was chosen, and some gold items among it."""
    gold, lines = hidden_gold(occasion, chosen, tested)
    return ReviewSet(
        name=occasion.name,
        kind=occasion.kind,
        items=in_blind_order(occasion.name, [*chosen, *gold]),
        counts=dict(Counter(c.chosen_by for c in sample.chosen)) | ({"gold": len(gold)} if gold else {}),
        notes=sample.notes,
        gold=tuple(lines),
    )


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
        plain = item_of(prompt, ours.texts[place], model_name(occasion.model), seen, vectors[place])
        items.append(compared(occasion, plain, theirs.texts[place]) if occasion.is_comparison and theirs else plain)
    return items
