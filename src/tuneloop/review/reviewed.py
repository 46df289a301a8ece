"""Records with all that stands of what people said of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tuneloop.ports import ReviewAnswer, ReviewKind
from tuneloop.review.ledger import latest
from tuneloop.review.review_sets import prompt_hash

JUDGED: frozenset[ReviewKind] = frozenset({"answers", "drifted_slice"})
"""Kinds in which one answer of a model is rated and corrected."""

FIT, LEAVE_OUT = "fit", "leave_out"
"""What a person says of a training row, among an answer's labels: keep, mend or leave_out."""

Key = tuple[str, str]
"""Review set and item id: what one record is called."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One record: what each person submitted of it, in order of submission, and who could not judge it."""

    review_set: str
    item_id: str
    kind: ReviewKind
    answers: tuple[ReviewAnswer, ...]
    discarded: tuple[ReviewAnswer, ...]

    @property
    def key(self) -> Key:
        return self.review_set, self.item_id

    @property
    def shown(self) -> ReviewAnswer:
        """Any response, for what all of them share: prompt, answers, models."""
        return (self.answers or self.discarded)[-1]


def reviewed_records(ledger: Sequence[ReviewAnswer]) -> list[Reviewed]:
    """Every record that somebody has dealt with, in order of set and item. Drafts count for nothing."""
    standing = [answer for answer in latest(ledger) if answer.status != "draft"]
    by_record = sorted(standing, key=_key)  # stable: within a record still in order of submission
    return [_reviewed(list(said)) for _, said in groupby(by_record, key=_key)]


def red_team_prompts(ledger: Iterable[ReviewAnswer]) -> set[str]:
    """Hashes of the prompts of the red-team suite, which is a test: nothing may ever be learned from them."""
    return {prompt_hash(answer.prompt) for answer in ledger if answer.kind == "red_team"}


def is_left_out(answer: ReviewAnswer) -> bool:
    """Whether this person wants a training row left out."""
    return answer.labels.get(FIT) == LEAVE_OUT


def _key(answer: ReviewAnswer) -> Key:
    return answer.review_set, answer.item_id


def _reviewed(said: list[ReviewAnswer]) -> Reviewed:
    submitted = tuple(answer for answer in said if answer.status == "submitted")
    discarded = tuple(answer for answer in said if answer.status == "discarded")
    first = said[0]
    return Reviewed(first.review_set, first.item_id, first.kind, submitted, discarded)
