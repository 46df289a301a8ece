"""Choose a set of models' answers: which prompts, what stands on them, and the gold items among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tuneloop.ports import ReviewItem, ReviewKind
from tuneloop.review.gold import GoldItem, disguise, gold_count, gold_row, item_id, pick_gold
from tuneloop.review.review_sets import GOLD, ReviewSet, prompt_hash
from tuneloop.review.rows import read_rows
from tuneloop.review.sampling import Pool, Sample, Vectors, choose, differences, draw_pool, open_positions
from tuneloop.workflows.review_sets.answers import (
    DIFFERENCE,
    LOG_PROBABILITY,
    Answers,
    answers_of,
    pool_of,
    text_scores,
    vectors_of,
)
from tuneloop.workflows.review_sets.items import (
    Occasion,
    compared,
    in_blind_order,
    is_swapped,
    item_of,
    labelled,
    model_name,
)
from tuneloop.workflows.review_sets.prompts import clusters_of, gold_of, open_prompts, tested_prompts, unlike_tests

POOL_TIMES_BUDGET = 4
"""So many prompts are answered for each that is chosen: the more, the worse are the worst of them, and the longer it
takes (docs/review-sampling.md)."""
WITH_GOLD: frozenset[ReviewKind] = frozenset({"answers", "preference", "drifted_slice"})


def choose_answers(occasion: Occasion, prompts: Sequence[str]) -> ReviewSet | None:
    """Return the set, as it was chosen the first time; None where no prompt may be asked about.

    Of all open prompts a pool is drawn at random and answered, and from the pool the budget is spent.
    """
    if (found := occasion.sets.find(occasion.name)) is not None:
        return found
    recipe, setup, tested = occasion.recipe, occasion.setup, tested_prompts(occasion.data_folder)
    prompts = unlike_tests(recipe, prompts, tested, setup.embedder)
    open_ = open_prompts(setup, prompts, occasion.sets, tested)
    keys = [prompt_hash(prompts[position]) for position in open_]
    drawn = draw_pool(keys, POOL_TIMES_BUDGET * recipe.review.max_records, occasion.seed)
    if not drawn:
        return None
    items, pool = _answered(occasion, [prompts[open_[place]] for place in drawn], len(drawn) / len(open_))

    def make() -> ReviewSet | None:
        """Under the lock: whatever another set has taken meanwhile is left out."""
        still = open_prompts(setup, [item.prompt for item in items], occasion.sets, tested)
        sample = choose(pool.only(still), budget=recipe.review.max_records, shares=occasion.shares, seed=occasion.seed)
        chosen = [labelled(items[still[c.position]], c, occasion.labels) for c in sample.chosen]
        return _set_of(occasion, chosen, sample, tested) if chosen else None

    return occasion.sets.keep(occasion.name, make)


def _set_of(occasion: Occasion, chosen: Sequence[ReviewItem], sample: Sample, tested: Sequence[str]) -> ReviewSet:
    """What was chosen, and some gold items among it."""
    gold, lines = _hidden_gold(occasion, chosen, tested)
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
    setup = occasion.setup
    ours = answers_of(setup, occasion.model, prompts)
    wants_other = occasion.is_comparison or occasion.shares.get("disagreement")
    theirs = answers_of(setup, occasion.other, prompts) if occasion.other and wants_other else None
    scores, vectors = text_scores(setup, ours.texts), vectors_of(prompts, setup.embedder)
    items = _items(occasion, prompts, ours, theirs, scores, vectors)
    pool = pool_of(
        setup,
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


def _hidden_gold(
    occasion: Occasion, chosen: Sequence[ReviewItem], tested: Sequence[str]
) -> tuple[list[ReviewItem], list[dict[str, object]]]:
    """Return items that look like the chosen ones, and their lines for gold.jsonl."""
    picked = _picked_gold(occasion, len(chosen), tested)
    items = [
        disguise(item, chosen, of_text=frozenset(item.scores), seed=occasion.name)
        for item in _gold_items(occasion, picked)
    ]
    return items, [gold_row(item, occasion.name, swapped=is_swapped(occasion, item.prompt)) for item in picked]


def _picked_gold(occasion: Occasion, records: int, tested: Sequence[str]) -> list[GoldItem]:
    """Pick gold items of the set's form; none that was an ordinary record or is a near-duplicate of a test row."""
    known = gold_of(occasion.recipe, occasion.setup.root)
    fitting = [i for i in known if (i.alternative is not None) == occasion.is_comparison]
    if occasion.kind not in WITH_GOLD or not fitting:
        return []
    used = read_rows(occasion.sets.folder / GOLD)
    ordinary = {found[:16] for found in occasion.sets.ledger.asked()} - {row["item_id"] for row in used}
    unseen = open_positions(
        [item.prompt for item in fitting], asked=(), avoided=tested, clusters=clusters_of(occasion.recipe)
    )
    items = [fitting[place] for place in unseen if item_id(fitting[place].prompt) not in ordinary]
    count = gold_count(records, occasion.recipe.review.gold_share)
    return pick_gold(items, review_set=occasion.name, count=count, used=used)


def _gold_items(occasion: Occasion, picked: Sequence[GoldItem]) -> list[ReviewItem]:
    """As the set's other items, with the scores that a text has by itself."""
    if not picked:
        return []
    vectors = vectors_of([item.prompt for item in picked], occasion.setup.embedder)
    texts = [item.answer for item in picked]
    if occasion.is_comparison:
        scores = [{DIFFERENCE: d} for d in differences(texts, [item.alternative or "" for item in picked])]
    else:
        scores = text_scores(occasion.setup, texts)
    made = []
    for item, vector, own in zip(picked, vectors, scores, strict=True):
        plain = item_of(item.prompt, item.answer, model_name(occasion.model), own, vector)
        made.append(compared(occasion, plain, item.alternative) if occasion.is_comparison else plain)
    return made
