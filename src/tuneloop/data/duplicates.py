"""Which rows go because of which other rows, so that one row per cluster stays and no group reaches over two splits.

Nothing here depends on the order of rows: where all else is equal, the smaller id stays.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from tuneloop.data.row_keys import Facts
from tuneloop.records import Split

PRIVATE, HELD_OUT, REVIEWED, POOL, OUTRANKED = 4, 3, 2, 1, 0
TESTED: frozenset[Split] = frozenset({"private", "test"})


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a row should go, and the index of the row it goes for.

    `kind` is contradiction, leakage, same_meaning, superseded, exact_copy or near_copy. Following `duplicate_of` ends
    at a row that stays, or at two contradictions that name each other.
    """

    kind: str
    duplicate_of: int


def find_duplicates(facts: Facts, splits: Sequence[Split], alike: Sequence[int]) -> dict[int, Duplicate]:
    """The rows that should go, by index; what is not named stays. `splits` are the rows' own, `alike` their clusters.

    First equal prompts whose best judges differ: nobody can tell who is right, so all of them go. Then rows that share
    a group with rows of a split they may not be near. Then, of each cluster, all rows but the best: a private row
    before a test row, before a reviewed one, before a validation row, before a training row; then the one with the
    longest answer.
    """
    crowds = _together(alike, range(len(alike)))
    duplicates: dict[int, Duplicate] = {}
    for rows in crowds:
        duplicates |= _contradictions(rows, facts, splits)
    duplicates |= _split_private_groups(facts, splits, duplicates)
    duplicates |= _split_groups(facts, splits, alike, duplicates)
    for rows in crowds:
        left = [i for i in rows if i not in duplicates]
        if len(left) > 1:
            best = min(left, key=lambda i: _rank(i, facts, splits))
            gone = (i for i in left if i != best and not _are_siblings(i, best, facts))
            duplicates |= {i: Duplicate(_kind(i, best, facts, splits), best) for i in gone}
    return duplicates


def is_reviewed(row: int, facts: Facts) -> bool:
    """Whether the row is for training alone, because people reviewed it."""
    return facts.feedback[row] and not facts.held_out[row]


def _are_siblings(one: int, other: int, facts: Facts) -> bool:
    return facts.siblings[one] is not None and facts.siblings[one] == facts.siblings[other]


def _rank(row: int, facts: Facts, splits: Sequence[Split]) -> tuple[int, int, str]:
    order = 2 if is_reviewed(row, facts) else {"private": 0, "test": 1, "validation": 3, "train": 4}[splits[row]]
    return order, -facts.answer_lengths[row], facts.ids[row]


def _kind(row: int, kept: int, facts: Facts, splits: Sequence[Split]) -> str:
    if is_reviewed(kept, facts) and not is_reviewed(row, facts):
        return "superseded"
    if splits[row] != splits[kept]:
        return "leakage"
    return "exact_copy" if facts.prompts[row] == facts.prompts[kept] else "near_copy"


def _contradictions(rows: Sequence[int], facts: Facts, splits: Sequence[Split]) -> dict[int, Duplicate]:
    is_tested = any(splits[i] == "test" for i in rows)
    authority = {i: _authority(i, facts, outranked=is_tested) for i in rows}
    found: dict[int, Duplicate] = {}
    for same in _together(facts.prompts, rows):
        top = max(authority[i] for i in same)
        judges = [i for i in same if authority[i] == top and facts.labels[i] is not None]
        if len({facts.labels[i] for i in judges}) > 1:
            found |= {i: Duplicate("contradiction", _opponent(i, judges, facts)) for i in same}
    return found


def _authority(row: int, facts: Facts, *, outranked: bool) -> int:
    if facts.private[row]:
        return PRIVATE
    if facts.held_out[row]:
        return HELD_OUT
    if facts.feedback[row]:
        return OUTRANKED if outranked else REVIEWED
    return POOL


def _opponent(row: int, judges: Sequence[int], facts: Facts) -> int:
    return min((i for i in judges if facts.labels[i] != facts.labels[row]), key=lambda i: facts.ids[i])


def _split_private_groups(facts: Facts, splits: Sequence[Split], gone: Iterable[int]) -> dict[int, Duplicate]:
    """Rows of all other splits that share a group with a private row. They go before anything is said of test rows,
    which may be among them."""
    away = set(gone)
    found: dict[int, Duplicate] = {}
    for rows in _together(facts.groups, (i for i in range(len(splits)) if facts.groups[i] and i not in away)):
        first = min((i for i in rows if splits[i] == "private"), key=lambda i: facts.ids[i], default=-1)
        if first >= 0:
            found |= {i: Duplicate("leakage", first) for i in rows if splits[i] != "private"}
    return found


def _split_groups(
    facts: Facts, splits: Sequence[Split], alike: Sequence[int], gone: Iterable[int]
) -> dict[int, Duplicate]:
    """Rows that may not stay beside others of their group: anything beside test rows, validation rows beside reviewed
    ones that will stay."""
    away = set(gone)
    tested = {alike[i] for i, split in enumerate(splits) if split in TESTED and i not in away}
    found: dict[int, Duplicate] = {}
    for rows in _together(facts.groups, (i for i in range(len(splits)) if facts.groups[i] and i not in away)):
        tests = [i for i in rows if splits[i] == "test"]
        reviewed = [i for i in rows if is_reviewed(i, facts) and alike[i] not in tested]
        first = min(tests or reviewed, key=lambda i: facts.ids[i], default=-1)
        leaks = ("validation", "train") if tests else ("validation",)
        if first >= 0:
            found |= {i: Duplicate("leakage", first) for i in rows if splits[i] in leaks}
    return found


def _together(values: Sequence[Hashable], rows: Iterable[int]) -> list[list[int]]:
    """Those of the rows that share their value with another one, together."""
    first: dict[Hashable, int] = {}
    more: dict[Hashable, list[int]] = defaultdict(list)
    for row in rows:
        value = values[row]
        if first.setdefault(value, row) != row:
            more[value].append(row)
    return [[first[value], *others] for value, others in more.items()]
