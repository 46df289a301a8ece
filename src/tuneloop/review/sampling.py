"""Choose what is reviewed: open prompts, random shares and the answers that tell most."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tuneloop.recipes import Strategy
from tuneloop.records import content_hash
from tuneloop.review.review_sets import prompt_hash


def differences(ours: Sequence[str], theirs: Sequence[str]) -> list[float]:
    """For each pair of answers 1 minus the share of their characters that match, in order: 0 same, 1 nothing alike."""
    return [_difference(a, b) for a, b in zip(ours, theirs, strict=True)]


def stands_second(review_set: str, item: str) -> bool:
    """Whether our answer stands behind the other one. Decided by a hash, so for half of the items, and blindly: nobody
    who sees the set can tell which model is which from the order."""
    return int(content_hash([review_set, item]), 16) % 2 == 1


def _difference(a: str, b: str) -> float:
    if a == b:
        return 0.0
    return 1.0 - SequenceMatcher(None, a, b, autojunk=False).ratio()


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


# Nothing depends on the order of the records. All chance comes from a hash of the seed and a record's key, so that the
# same pool gives the same sample on every machine.


RANKED: tuple[Strategy, ...] = ("drifted", "disagreement", "uncertain", "low_score")
"""Strategies that take the records with the highest evidence; the rarer evidence first."""
ONLY_RANDOM: Mapping[Strategy, float] = {"random": 1.0}
REST = "rest"
"""What fills a budget that no strategy could spend: chosen by nothing, so nothing is estimated from it."""

STRATIFIED = "stratified"

Vectors = NDArray[np.float32]
T = TypeVar("T", bound=str)


@dataclass(frozen=True, slots=True)
class Pool:
    """What there is to choose from, and what is known of it.

    `keys` are distinct. `evidence` has a number per record for each ranked strategy: the highest go first, NaN never
    goes by it. `vectors` have unit length, shape (records, dimension). `unavailable` says why a strategy has nothing to
    go by. `share_of_open`: a pool is itself drawn at random from all records that could be asked about.
    """

    keys: Sequence[str]
    evidence: Mapping[Strategy, Sequence[float]] = field(default_factory=dict)
    vectors: Vectors | None = None
    unavailable: Mapping[Strategy, str] = field(default_factory=dict)
    share_of_open: float = 1.0

    def only(self, positions: Sequence[int]) -> Pool:
        """The pool without all other records."""
        return replace(
            self,
            keys=[self.keys[p] for p in positions],
            evidence={strategy: [values[p] for p in positions] for strategy, values in self.evidence.items()},
            vectors=None if self.vectors is None else self.vectors[list(positions)],
        )


@dataclass(frozen=True, slots=True)
class Chosen:
    """`position` in the pool. The mean of what people say of records chosen by `random` estimates the mean over all
    open records without bias; `inclusion_probability` was each one's chance to be among them."""

    position: int
    chosen_by: str
    inclusion_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """What was chosen, and in words where it was not as the recipe wants it."""

    chosen: tuple[Chosen, ...]
    notes: tuple[str, ...] = ()


def draw_pool(keys: Sequence[str], size: int, seed: str) -> list[int]:
    """Positions of at most `size` records, drawn at random (without replacement): answers are dear."""
    return _by_chance(keys, f"pool {seed}")[:size]


def choose(pool: Pool, *, budget: int, shares: Mapping[Strategy, float], seed: str) -> Sample:
    """At most `budget` records. A strategy without evidence leaves its share to the others, in proportion.

    The random share is drawn first, from all records alike, or it would estimate nothing.
    """
    order = _by_chance(pool.keys, seed)
    usable = {s: share for s, share in shares.items() if share > 0 and _has_evidence(s, pool)}
    counts = _whole(usable or ONLY_RANDOM, min(budget, len(order)))
    probability = pool.share_of_open * counts.get("random", 0) / max(len(order), 1)
    chosen = [Chosen(p, "random", probability) for p in order[: counts.get("random", 0)]]
    for strategy in RANKED:
        left = _left(order, chosen)
        chosen += [Chosen(p, strategy) for p in _ranked(pool, strategy, left)[: counts.get(strategy, 0)]]
    diverse = _spread(pool.vectors, [c.position for c in chosen], _left(order, chosen), counts.get("diverse", 0))
    chosen += [Chosen(p, "diverse") for p in diverse]
    unspent = sum(counts.values()) - len(chosen)
    chosen += [Chosen(p, REST) for p in _left(order, chosen)[:unspent]]
    return Sample(tuple(chosen), tuple(_notes(shares, usable, pool, unspent)))


def stratify(
    keys: Sequence[str], strata: Sequence[str], *, budget: int, seed: str, share_of_open: float = 1.0
) -> list[Chosen]:
    """At most `budget` records, drawn at random within strata: one of each, the largest first, while there is budget;
    what is left goes to all in proportion to their rows. Each has its own `inclusion_probability`."""
    order = _by_chance(keys, seed)
    members: dict[str, list[int]] = {}
    for position in order:
        members.setdefault(strata[position], []).append(position)
    by_size = sorted(members, key=lambda stratum: (-len(members[stratum]), stratum))
    counts = dict.fromkeys(by_size[:budget], 1)
    more = {stratum: float(len(members[stratum]) - 1) for stratum in counts if len(members[stratum]) > 1}
    extra = _whole(more, min(budget, len(order)) - len(counts)) if more else {}
    drawn = {stratum: count + extra.get(stratum, 0) for stratum, count in counts.items()}
    return [
        Chosen(position, STRATIFIED, share_of_open * count / len(members[stratum]))
        for stratum, count in drawn.items()
        for position in members[stratum][:count]
    ]


def _by_chance(keys: Sequence[str], seed: str) -> list[int]:
    return sorted(range(len(keys)), key=lambda position: content_hash([seed, keys[position]]))


def _has_evidence(strategy: Strategy, pool: Pool) -> bool:
    if strategy == "random":
        return True
    if strategy == "diverse":
        return pool.vectors is not None
    return any(not math.isnan(value) for value in pool.evidence.get(strategy, ()))


def _whole(shares: Mapping[T, float], budget: int) -> dict[T, int]:
    """Largest remainders: whole numbers that sum to the budget, each less than 1 from its exact share."""
    total = math.fsum(shares.values())
    exact = {strategy: budget * share / total for strategy, share in shares.items()}
    counts = {strategy: math.floor(value + 1e-9) for strategy, value in exact.items()}
    by_remainder = sorted(exact, key=lambda s: (counts[s] - exact[s], str(s)))
    for strategy in by_remainder[: budget - sum(counts.values())]:
        counts[strategy] += 1
    return counts


def _left(order: Sequence[int], chosen: Sequence[Chosen]) -> list[int]:
    taken = {c.position for c in chosen}
    return [position for position in order if position not in taken]


def _ranked(pool: Pool, strategy: Strategy, positions: Sequence[int]) -> list[int]:
    """Highest evidence first; chance decides between equals, as sorting keeps their order."""
    values = pool.evidence.get(strategy, ())
    known = [position for position in positions if values and not math.isnan(values[position])]
    return sorted(known, key=lambda position: -values[position])


def _spread(vectors: Vectors | None, taken: Sequence[int], open_: Sequence[int], count: int) -> list[int]:
    """One record from each of `count` clusters that lie farthest from each other and from what is taken.

    Centres by farthest-first traversal (Gonzalez, 1985), which alone would pick the oddest records; every record then
    belongs to its nearest centre, and of each cluster the one nearest to its mean is chosen.
    """
    if vectors is None or not open_:
        return []
    rows = vectors[list(open_)]
    likeness = (rows @ vectors[list(taken)].T).max(axis=1) if taken else np.full(len(rows), -2.0, dtype=np.float32)
    owner = np.full(len(rows), -1)
    for centre in range(min(count, len(rows))):
        farthest = int(likeness.argmin())
        to_centre = rows @ rows[farthest]
        to_centre[farthest] = np.inf  # a centre belongs to itself for good
        closer = to_centre > likeness
        owner[closer], likeness[closer] = centre, to_centre[closer]
    clusters = [np.flatnonzero(owner == centre) for centre in range(min(count, len(rows)))]
    return [open_[int(members[(rows[members] @ rows[members].mean(axis=0)).argmax()])] for members in clusters]


def _notes(shares: Mapping[Strategy, float], usable: Mapping[Strategy, float], pool: Pool, unspent: int) -> list[str]:
    notes = [
        f"{strategy}: {pool.unavailable.get(strategy, 'nothing to go by')}; its share went to the others"
        for strategy, share in shares.items()
        if share > 0 and strategy not in usable
    ]
    if unspent:
        notes.append(f"{unspent} records chosen by nothing, as a strategy ran out of records")
    return notes
