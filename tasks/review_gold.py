"""Gold items for a review set, made up as its other items are."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.review_answers import DIFFERENCE, text_scores, vectors_of
from tasks.review_items import Occasion, compared, is_swapped, item_of, model_name
from tasks.review_prompts import clusters_of, gold_of
from tuneloop.ports import ReviewItem, ReviewKind
from tuneloop.review.gold import GoldItem, disguise, gold_count, gold_row, item_id, pick_gold
from tuneloop.review.review_sets import GOLD
from tuneloop.review.rows import read_rows
from tuneloop.review.sampling import differences, open_positions

WITH_GOLD: frozenset[ReviewKind] = frozenset({"answers", "preference", "drifted_slice"})


def hidden_gold(
    occasion: Occasion, chosen: Sequence[ReviewItem], tested: Sequence[str]
) -> tuple[list[ReviewItem], list[dict[str, object]]]:
    """(items that look like the chosen ones, their lines for gold.jsonl)."""
    picked = _picked(occasion, len(chosen), tested)
    items = [
        disguise(item, chosen, of_text=frozenset(item.scores), seed=occasion.name) for item in _items(occasion, picked)
    ]
    return items, [gold_row(item, occasion.name, swapped=is_swapped(occasion, item.prompt)) for item in picked]


def _picked(occasion: Occasion, records: int, tested: Sequence[str]) -> list[GoldItem]:
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


def _items(occasion: Occasion, picked: Sequence[GoldItem]) -> list[ReviewItem]:
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
        plain = item_of(item.prompt, item.answer, model_name(occasion.model), own, vector)
        made.append(compared(occasion, plain, item.alternative) if occasion.is_comparison else plain)
    return made
