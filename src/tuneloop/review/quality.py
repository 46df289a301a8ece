"""Measure reviewers: agreement with gold items and with each other, and whose answers are reliable."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from statistics import fmean, stdev

from tuneloop.ports import ReviewAnswer
from tuneloop.results import Metric, Quality
from tuneloop.review.gold import Gold
from tuneloop.review.judging import NEITHER, NEUTRAL, VERDICT, Judgement, is_alike
from tuneloop.review.ledger import Key, Reviewed, is_flagged

LOWEST, HIGHEST = 1.0, 5.0


def quality_by_model(judgements: Iterable[Judgement]) -> list[Quality]:
    """Models in the order in which they were first reviewed. Disputed records count with their mean rating: those
    that people agree on are no random share."""
    rated: dict[str, list[float]] = defaultdict(list)
    for judgement in sorted(judgements, key=lambda j: j.record.shown.submitted_at):
        shown = judgement.record.shown
        # What is drawn within a slice that drifted speaks for that slice alone.
        is_drawn = judgement.record.kind == "answers" and shown.labels.get("chosen_by") == "random"
        if is_drawn and judgement.rating is not None:
            rated[shown.model].append(judgement.rating)
    return [Quality(model=model, rating=mean_rating(ratings)) for model, ratings in rated.items()]


def mean_rating(ratings: Sequence[float], confidence: float = 0.95) -> Metric:
    """Mean of at least one rating with Student's interval, within 1 to 5.

    The interval is worked out with two ratings more that nobody gave, 1 and 5: without them six people who all say 5
    would make it certain that nobody ever says less. In simulations of five kinds of rating behaviour, 5 to 60 ratings
    each, it held the true mean in 95.4 % or more of 1,500 samples; without the two in 41 to 96 %.
    """
    from scipy.stats import t

    mean, widened = fmean(ratings), [*ratings, LOWEST, HIGHEST]
    reach = float(t.ppf((1 + confidence) / 2, len(widened) - 1)) * stdev(widened) / math.sqrt(len(widened))
    middle = fmean(widened)
    low, high = min(mean, max(LOWEST, middle - reach)), max(mean, min(HIGHEST, middle + reach))
    return Metric(value=mean, low=low, high=high, n=len(ratings))


# A reviewer's reliability is the chance that they judge a record rightly, with a Beta distribution over it: before
# anything is known Beta(4, 1), whose mean is 0.8. Three things tell more:
#
# - gold items: right within the item's tolerance, or not; one observation each;
# - records that an adjudicator decided: with the decision, or not; one observation each;
# - records that others judged as well: within 1 of another's rating and for the same of two answers, or not; half an
#   observation each, shared among the others, and less where their own words weigh less, since they may be wrong.
#
# The weight is how far the mean lies above a coin's, in units of what an unknown reviewer's does: 1 for somebody of
# whom nothing is known, 1.67 for somebody who is always right, 0 for somebody who is right half the time or less.
#
# With gold or decisions, a majority of bad reviewers is found out too; without them, whoever disagrees with most is
# taken to be wrong.


RIGHT, WRONG = 4.0, 1.0
"""What is believed of somebody unknown, in observations."""
COIN = 0.5
PEER_SHARE = 0.5
"""Of an observation, what agreement with others counts for at most."""
NEAR = 1.0
"""Ratings at most so far apart agree."""
ALIKE = 0.9
"""A correction this like the one that was chosen is that one."""
PASSES, SETTLED = 20, 1e-3
"""Weights hang on each other: they are worked out anew until none moves by more than this, or so many times."""


@dataclass(slots=True)
class Observed:
    """What is known of one reviewer, in observations; `gold` and `decided` hold (right, wrong) counts."""

    reviewer: str
    gold: tuple[int, int] = (0, 0)
    decided: tuple[int, int] = (0, 0)
    peers: tuple[float, float] = (0.0, 0.0)
    records: int = 0

    @property
    def right(self) -> float:
        return RIGHT + self.gold[0] + self.decided[0] + self.peers[0]

    @property
    def wrong(self) -> float:
        return WRONG + self.gold[1] + self.decided[1] + self.peers[1]

    @property
    def reliability(self) -> float:
        """Mean of the Beta distribution."""
        return self.right / (self.right + self.wrong)

    @property
    def weight(self) -> float:
        return NEUTRAL * max(0.0, (self.reliability - COIN) / (RIGHT / (RIGHT + WRONG) - COIN))

    @property
    def is_doubtful(self) -> bool:
        """Whether this person is surely less reliable than one takes somebody unknown to be."""
        return self.interval()[1] < RIGHT / (RIGHT + WRONG)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Between which reliabilities the reviewer's lies with so much probability."""
        from scipy.stats import beta

        low, high = beta.interval(confidence, self.right, self.wrong)
        return float(low), float(high)


def reliabilities(
    records: Sequence[Reviewed], *, gold: Mapping[Key, Gold], decisions: Mapping[Key, ReviewAnswer]
) -> dict[str, Observed]:
    """Reviewer -> what is known of them. Depends on nothing but its arguments, and not on their order."""
    judged = [record for record in records if record.kind != "adjudication"]
    names = sorted({answer.reviewer for record in judged for answer in record.answers})
    observed = {name: Observed(name) for name in names}
    for record in judged:
        for answer in record.answers:
            _observe(observed[answer.reviewer], answer, gold.get(record.key), decisions.get(record.key))
    known = gold.keys() | decisions.keys()
    agreed = _pairs(record for record in judged if record.key not in known)
    for _ in range(PASSES):
        before = weights_of(observed)
        for name, seen in observed.items():
            seen.peers = _by_peers(agreed.get(name, {}), before)
        if all(abs(seen.weight - before[name]) < SETTLED for name, seen in observed.items()):
            break
    return observed


def weights_of(observed: Mapping[str, Observed]) -> dict[str, float]:
    return {name: seen.weight for name, seen in observed.items()}


def _observe(seen: Observed, answer: ReviewAnswer, gold: Gold | None, decision: ReviewAnswer | None) -> None:
    seen.records += 1
    if gold is not None:
        seen.gold = _counted(seen.gold, gold.is_met_by(answer))
    elif decision is not None:
        seen.decided = _counted(seen.decided, _is_with(answer, decision))


def _counted(before: tuple[int, int], is_right: bool | None) -> tuple[int, int]:  # noqa: FBT001
    return before if is_right is None else (before[0] + is_right, before[1] + (not is_right))


def _is_with(answer: ReviewAnswer, decision: ReviewAnswer) -> bool | None:
    """Whether a reviewer said what an adjudicator decided. One's own decision proves nothing."""
    if answer.reviewer == decision.reviewer or decision.status != "submitted":
        return None
    agreed = [is_flagged(answer) == is_flagged(decision)]
    if not is_flagged(decision):
        if answer.rating is not None and decision.rating is not None:
            agreed.append(abs(answer.rating - decision.rating) <= NEAR)
        if answer.preferred is not None:
            agreed.append(answer.preferred == _side(decision))
        if answer.correction:
            agreed.append(is_alike(answer.correction, _text(decision), ALIKE))
    return all(agreed)


def _side(decision: ReviewAnswer) -> str:
    return "tie" if decision.labels.get(VERDICT) == NEITHER else decision.preferred or "tie"


def _text(decision: ReviewAnswer) -> str:
    versions = {"answer": decision.answer, "alternative": decision.alternative or "", "tie": decision.answer}
    return decision.correction or versions.get(decision.preferred or "", "")


def _pairs(records: Iterable[Reviewed]) -> dict[str, dict[str, list[float]]]:
    """Reviewer -> other one -> shares of records on which they did and did not agree."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(lambda: [0.0, 0.0]))
    for record in records:
        share = PEER_SHARE / max(1, len(record.answers) - 1)
        for one, other in permutations(record.answers, 2):
            is_agreed = _agree(one, other)
            if is_agreed is not None:
                found[one.reviewer][other.reviewer][0 if is_agreed else 1] += share
    return found


def _by_peers(agreed: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> tuple[float, float]:
    """What it comes to when the others weigh so much; nobody's word is worth more than that of somebody unknown."""
    trust = {other: min(NEUTRAL, weights[other]) for other in sorted(agreed)}
    right, wrong = (sum(trust[other] * agreed[other][side] for other in trust) for side in (0, 1))
    return right, wrong


def _agree(one: ReviewAnswer, other: ReviewAnswer) -> bool | None:
    """None where the two cannot be compared."""
    found = []
    if one.rating is not None and other.rating is not None:
        found.append(abs(one.rating - other.rating) <= NEAR)
    if one.preferred is not None and other.preferred is not None:
        found.append(one.preferred == other.preferred)
    return all(found) if found else None
