"""Rows counted by what they have in common, to see whom the data is about and whom the checks hit.

A slice is named by `source`, `label:KEY` of a JSON answer, `extra:KEY` of the row's other fields, or `group_term`, the
groups of people a text speaks about (see group_terms.py).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from tuneloop.data.answers import answer_labels
from tuneloop.data.group_terms import find_groups
from tuneloop.data.pii import find_kinds
from tuneloop.errors import DataError
from tuneloop.recipes import AnswerFormat
from tuneloop.records import Record
from tuneloop.results import Slice

NO_VALUE = "(none)"
OTHER_VALUES = "(other)"
NOT_ALLOWED = "(not allowed)"
LONG_VALUE = "(long text)"

MAX_VALUES = 200
"""Distinct values that are counted one by one; whatever comes after them is counted together."""

MAX_VALUE_CHARACTERS = 60
MIN_ROWS_TO_COMPARE = 30
"""With fewer rows the shares of labels are chance: with eight labels, 30 rows lie some .2 away by luck alone."""


def slice_values(record: Record, by: str, answer: AnswerFormat) -> list[str]:
    """What a row is in the way `by` counts: no value, one, or several (a text may speak about several groups).

    Labels that the recipe does not allow, long texts and personal data never become a value: they are the row's text.

    Raises:
        DataError: `by` is no way to slice, or names a label that the recipe does not have.
    """
    kind, _, key = by.partition(":")
    if by == "source":
        return [record.source]
    if by == "group_term":
        return sorted(find_groups("\n".join(m.content for m in record.messages if m.role != "system")))
    if kind == "label" and key in answer.labels:
        return _label(record, key, answer)
    if kind == "extra" and key:
        return _extra(record.extra.get(key))
    known = ", ".join(["source", "group_term", "extra:KEY", *(f"label:{k}" for k in answer.labels)])
    raise DataError(f"rows cannot be sliced by {by!r}; data.slices and data.balance.by take one of {known}")


def audit(kept: Iterable[Record], set_aside: Iterable[Record], by: Sequence[str], answer: AnswerFormat) -> list[Slice]:
    """The slices of training rows, with the share of each that the checks set aside. Reads every row once."""
    slices = SliceAudit(by, answer)
    for record, is_kept in chain(((r, True) for r in kept), ((r, False) for r in set_aside)):
        slices.add(record, kept=is_kept)
    return slices.slices()


@dataclass(slots=True)
class _Tally:
    kept: int = 0
    set_aside: int = 0
    prompt_words: int = 0
    answer_words: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    def add(self, prompt_words: int, answer_words: int, label: str | None) -> None:
        self.kept += 1
        self.prompt_words += prompt_words
        self.answer_words += answer_words
        if label is not None:
            self.labels[label] += 1


class SliceAudit:
    """Counts rows as they come by; its size depends on how many values there are, not on how many rows.

    The first `MAX_VALUES` values of each `by` are counted one by one, in the order in which they come.
    """

    def __init__(self, by: Sequence[str], answer: AnswerFormat) -> None:
        self._answer = answer
        self._all = _Tally()
        self._tallies: dict[str, dict[str, _Tally]] = {b: defaultdict(_Tally) for b in by}

    def add(self, record: Record, *, kept: bool) -> None:
        """Count a row: `kept` is one to train on, the others were set aside by checks."""
        words = len(record.prompt.split()), len(record.completion.split())
        label = _first_label(record, self._answer)
        if kept:
            self._all.add(*words, label)
        for by, tallies in self._tallies.items():
            for value in set(self._counted(tallies, slice_values(record, by, self._answer))):
                if kept:
                    tallies[value].add(*words, label)
                else:
                    tallies[value].set_aside += 1

    def slices(self) -> list[Slice]:
        """By the order of `by`, large slices first. `(none)` are the rows without a value."""
        return [
            self._slice(by, value, tally)
            for by, tallies in self._tallies.items()
            for value, tally in sorted(tallies.items(), key=lambda item: (-item[1].kept, item[0]))
        ]

    def _counted(self, tallies: dict[str, _Tally], values: list[str]) -> Iterator[str]:
        for value in values or [NO_VALUE]:
            is_room = value in tallies or len(tallies) < MAX_VALUES or value == NO_VALUE
            yield value if is_room else OTHER_VALUES

    def _slice(self, by: str, value: str, tally: _Tally) -> Slice:
        rows = max(tally.kept, 1)
        return Slice(
            by=by,
            value=value,
            rows=tally.kept,
            share=tally.kept / max(self._all.kept, 1),
            prompt_words=tally.prompt_words / rows,
            answer_words=tally.answer_words / rows,
            flagged_share=tally.set_aside / max(tally.kept + tally.set_aside, 1),
            excess=self._excess(by, tally),
        )

    def _excess(self, by: str, tally: _Tally) -> float | None:
        """None where there is nothing to learn: few rows, no labels, or slices that are the labels themselves."""
        is_label_itself = by == f"label:{next(iter(self._answer.labels), '')}"
        if is_label_itself or tally.labels.total() < MIN_ROWS_TO_COMPARE:
            return None
        return total_variation(tally.labels, self._all.labels)


def total_variation(a: Counter[str], b: Counter[str]) -> float:
    """How far two distributions lie apart, given as counts: 0 for the same shares, 1 for nothing in common."""
    return 0.5 * sum(abs(a[k] / a.total() - b[k] / b.total()) for k in a.keys() | b.keys())


def _label(record: Record, key: str, answer: AnswerFormat) -> list[str]:
    labels = answer_labels(record.completion, answer)
    if labels is None:
        return []
    value = str(json.loads(labels)[list(answer.labels).index(key)])
    return [value if value in answer.labels[key] else NOT_ALLOWED]


def _first_label(record: Record, answer: AnswerFormat) -> str | None:
    first = next(iter(answer.labels), None)
    found = _label(record, first, answer) if first else []
    return found[0] if found else None


def _extra(value: Any) -> list[str]:
    if isinstance(value, list | tuple):
        return sorted({v for part in value for v in _extra(part)})
    if value is None or not isinstance(value, str | int | float):
        return []
    return [_presentable(str(value).strip())] if str(value).strip() else []


@lru_cache(maxsize=4096)
def _presentable(value: str) -> str:
    if len(value) > MAX_VALUE_CHARACTERS:
        return LONG_VALUE
    kinds = find_kinds(value)
    return f"<{min(kinds)}>" if kinds else value
