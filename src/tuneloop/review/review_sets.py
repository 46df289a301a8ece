"""Which answers people are asked about: never a test prompt, never a prompt twice, the doubtful ones first."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tuneloop.ports import ReviewItem
from tuneloop.records import content_hash
from tuneloop.review.rows import locked, read_rows, write_rows


def prompt_hash(prompt: str) -> str:
    """Equal for prompts that differ only in case and white space."""
    return content_hash(" ".join(prompt.casefold().split()))


@dataclass(frozen=True, slots=True)
class AskedLedger:
    """Which prompt went into which review set, over all sets of the workspace. Holds hashes, no text."""

    file: Path

    def asked(self) -> dict[str, str]:
        """Prompt hash -> review set."""
        return {row["prompt_hash"]: row["review_set"] for row in read_rows(self.file)}

    def remember(self, review_set: str, prompts: Iterable[str]) -> None:
        """Note the prompts; one that an earlier set has stays with that set."""
        with locked(self.file.parent):
            known = self.asked()
            for prompt in prompts:
                known.setdefault(prompt_hash(prompt), review_set)
            write_rows(self.file, ({"prompt_hash": p, "review_set": s} for p, s in known.items()))


def may_be_asked(
    prompts: Sequence[str], *, review_set: str, test_prompts: Iterable[str], ledger: AskedLedger
) -> list[int]:
    """Positions of the prompts that may go into the set: call it before answers are generated, which is the dear part.

    A set that has been chosen before gets exactly its own prompts again, so that a cut-off run ends as it began.
    """
    asked = ledger.asked()
    if review_set in asked.values():
        return _firsts(prompts, {p for p, s in asked.items() if s == review_set})
    forbidden = asked.keys() | {prompt_hash(p) for p in test_prompts}
    return _firsts(prompts, {prompt_hash(p) for p in prompts} - forbidden)


def choose_items(
    items: Sequence[ReviewItem],
    *,
    review_set: str,
    count: int,
    test_prompts: Iterable[str],
    ledger: AskedLedger,
    seed: int,
    score: str | None = None,
    random_share: float = 0.25,
) -> list[ReviewItem]:
    """At most `count` items for the review set, noted in the ledger.

    `score` is the automatic metric by which the lowest go first; an item without it, or with NaN, counts as the most
    doubtful. None: all are drawn at random. `random_share` of the set is drawn from the rest whatever its score, so
    that people also see what the metric likes and its blind spots come to light.
    """
    open_positions = may_be_asked(
        [i.prompt for i in items], review_set=review_set, test_prompts=test_prompts, ledger=ledger
    )
    chosen = _mixture([items[p] for p in open_positions], count, seed, score, random_share)
    ledger.remember(review_set, (item.prompt for item in chosen))
    return chosen


def _firsts(prompts: Sequence[str], allowed: set[str]) -> list[int]:
    """Position of the first occurrence of each allowed prompt."""
    positions: dict[str, int] = {}
    for position, prompt in enumerate(prompts):
        key = prompt_hash(prompt)
        if key in allowed:
            positions.setdefault(key, position)
    return list(positions.values())


def _mixture(
    items: list[ReviewItem], count: int, seed: int, score: str | None, random_share: float
) -> list[ReviewItem]:
    shuffled = random.Random(seed).sample(items, len(items))  # noqa: S311 (a draw, not a secret)
    if score is None:
        return shuffled[:count]
    worst_first = sorted(shuffled, key=lambda item: _doubt(item, score))
    by_score = worst_first[: count - round(count * random_share)]
    taken = {id(item) for item in by_score}
    return by_score + [item for item in shuffled if id(item) not in taken][: count - len(by_score)]


def _doubt(item: ReviewItem, score: str) -> float:
    value = item.scores.get(score, math.nan)
    return -math.inf if math.isnan(value) else value
