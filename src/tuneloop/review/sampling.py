"""Which records of a pool go before people: shares of a budget, each spent in its own way. No model and no file here.

Nothing depends on the order of the records. All chance comes from a hash of the seed and a record's key, so that the
same pool gives the same sample on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tuneloop.recipes import Strategy
from tuneloop.records import content_hash

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
