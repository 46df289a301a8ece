"""Review sets: their names, kinds, items and prompts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from tuneloop.ports import ReviewItem, ReviewKind
from tuneloop.records import content_hash
from tuneloop.review.rows import locked, read_rows, write_rows

DIGITS = 8
"""Of a data version's or a window's hash."""

_OF_ROUNDS: dict[ReviewKind, str] = {"answers": "round", "preference": "preference", "red_team": "red-team"}
_SUFFIX = re.compile(r"-(?:(?:round|preference|red-team|adjudication)-\d+|(?:data|drift)-[0-9a-f]{8})")


def round_set(recipe: str, kind: ReviewKind, number: int) -> str:
    """`desk-round-3`, `desk-preference-3` or `desk-red-team-3`."""
    return f"{recipe}-{_OF_ROUNDS[kind]}-{number}"


def data_set(recipe: str, version: str) -> str:
    """`desk-data-3f9a2c41`: rows of a data version."""
    return f"{recipe}-data-{version[:DIGITS]}"


def drift_set(recipe: str, window_id: str) -> str:
    """`desk-drift-3f9a2c41`: the window of traffic that drifted."""
    return f"{recipe}-drift-{window_id[:DIGITS]}"


def is_set_of(recipe: str, name: str) -> bool:
    """Whether the set was published for this recipe; `desk-eu-round-1` is none of `desk`."""
    return name.startswith(recipe) and _SUFFIX.fullmatch(name[len(recipe) :]) is not None


# In the recipe's feedback folder, all of it private: `sets/NAME.jsonl` is a set, its first line says what it is, every
# other line is an item. `asked.jsonl` (which prompt is in which set, hashes only) and `gold.jsonl` (items with known
# answers, see `tuneloop.review.gold`) follow from the sets, and are made good where a kill came in between.


ASKED = "asked.jsonl"
GOLD = "gold.jsonl"


def prompt_hash(prompt: str) -> str:
    """Equal for prompts that differ only in case and white space. Half a surrogate pair counts as a question mark."""
    sound = prompt.encode(errors="replace").decode()
    return content_hash(" ".join(sound.casefold().split()))


@dataclass(frozen=True, slots=True)
class AskedLedger:
    """Which prompt went into which review set, over all sets of the recipe. Holds hashes, no text."""

    file: Path

    def asked(self) -> dict[str, str]:
        """Prompt hash -> review set."""
        return {row["prompt_hash"]: row["review_set"] for row in read_rows(self.file)}

    def remember(self, review_set: str, prompts: Iterable[str]) -> None:
        """Note the prompts; one that an earlier set has stays with that set. Call it while the folder is locked."""
        known = self.asked()
        for prompt in prompts:
            known.setdefault(prompt_hash(prompt), review_set)
        write_rows(self.file, ({"prompt_hash": p, "review_set": s} for p, s in known.items()))


@dataclass(frozen=True, slots=True)
class ReviewSet:
    """What is put before people under one name.

    `counts` says how many items were chosen by what, `notes` where that is not as the recipe wants it. `gold` are the
    lines for gold.jsonl. `url` is empty until the backend has all of the items.
    """

    name: str
    kind: ReviewKind
    items: tuple[ReviewItem, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    gold: tuple[Mapping[str, Any], ...] = ()
    url: str = ""


@dataclass(frozen=True, slots=True)
class ReviewSets:
    """The review sets of one recipe, in its feedback folder."""

    folder: Path

    @property
    def ledger(self) -> AskedLedger:
        return AskedLedger(self.folder / ASKED)

    def find(self, name: str) -> ReviewSet | None:
        rows = read_rows(self._file(name))
        return _set_of(rows) if rows else None

    def prompts(self) -> list[str]:
        """Every prompt of every set, for the search for near-copies."""
        files = sorted((self.folder / "sets").glob("*.jsonl"))
        return [row["prompt"] for file in files for row in read_rows(file)[1:]]

    def keep(self, name: str, make: Callable[[], ReviewSet | None]) -> ReviewSet | None:
        """The set of this name; where there is none yet, what `make` chooses, while no other set can be chosen.

        The set's own file is what counts: once it is there, killed or not, the set is what it is.
        """
        with locked(self.folder):
            self._heal()
            found = self.find(name) or make()
            if found is not None and not self._file(name).exists():
                self._write(found)
                self._heal()
        return found

    def mark_published(self, found: ReviewSet, url: str) -> ReviewSet:
        """Note that the backend has it all."""
        published = replace(found, url=url)
        with locked(self.folder):
            self._write(published)
        return published

    def _file(self, name: str) -> Path:
        return self.folder / "sets" / f"{name}.jsonl"

    def _write(self, found: ReviewSet) -> None:
        head = asdict(replace(found, items=()))
        write_rows(self._file(found.name), [head, *(asdict(item) for item in found.items)])

    def _heal(self) -> None:
        """Bring the ledgers up to the sets. Gold first: `asked` is what says that a set is in both."""
        noted = set(self.ledger.asked().values())
        for file in sorted((self.folder / "sets").glob("*.jsonl")):
            if file.stem not in noted:
                found = _set_of(read_rows(file))
                self._note_gold(found)
                self.ledger.remember(found.name, (item.prompt for item in found.items))

    def _note_gold(self, found: ReviewSet) -> None:
        known = [row for row in read_rows(self.folder / GOLD) if row["review_set"] != found.name]
        if found.gold:
            write_rows(self.folder / GOLD, [*known, *found.gold])


def _set_of(rows: list[dict[str, Any]]) -> ReviewSet:
    head, *items = rows
    lists = {name: tuple(head[name]) for name in ("notes", "gold")}
    return ReviewSet(**(head | lists | {"items": tuple(ReviewItem(**item) for item in items)}))
