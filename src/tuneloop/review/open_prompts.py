"""Prompts that may be asked about: in no set yet, no copy or near-copy of one that is, or of one that must not be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from tuneloop.review.review_sets import prompt_hash

Clusters = Callable[[Sequence[str]], Sequence[int]]
"""A number for every text; near-copies, and what they are near to, share one."""


def open_positions(
    prompts: Sequence[str], *, asked: Collection[str], avoided: Sequence[str], clusters: Clusters
) -> list[int]:
    """Positions of the prompts that may be asked about, in their order; of near-copies among them one stays.

    `asked` are hashes of prompts (see `AskedLedger`); `avoided` are texts: prompts of earlier sets, test and private
    prompts, gold items. Which of several near-copies stays depends on their texts alone, not on their order.
    """
    hashes = [prompt_hash(prompt) for prompt in prompts]
    numbers = clusters([*avoided, *prompts])
    closed = set(numbers[: len(avoided)])
    taken = {*asked, *map(prompt_hash, avoided)}
    best: dict[int, int] = {}
    for position, number in enumerate(numbers[len(avoided) :]):
        if number in closed or hashes[position] in taken:
            continue
        if number not in best or hashes[position] < hashes[best[number]]:
            best[number] = position
    return _firsts(sorted(best.values()), hashes)


def _firsts(positions: Sequence[int], hashes: Sequence[str]) -> list[int]:
    """Prompts of equal hash need not share a cluster: to hash them, white space and case are all that is left out."""
    found: dict[str, int] = {}
    for position in positions:
        found.setdefault(hashes[position], position)
    return list(found.values())
