"""Gold items: records hidden among the others whose right rating is known. They say how far a reviewer can be trusted.

They never become rows, ratings or evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError
from tuneloop.ports import ReviewAnswer
from tuneloop.review.reviewed import Key
from tuneloop.review.rows import read_rows

GOLD = "gold.jsonl"
DEFAULT_TOLERANCE = 1


@dataclass(frozen=True, slots=True)
class Gold:
    """What is right of a gold item; None where it says nothing."""

    rating: int | None
    tolerance: int
    preferred: str | None

    def is_met_by(self, answer: ReviewAnswer) -> bool | None:
        """Whether this person got it right; None where nothing can be compared."""
        found = []
        if self.rating is not None and answer.rating is not None:
            found.append(abs(answer.rating - self.rating) <= self.tolerance)
        if self.preferred is not None and answer.preferred is not None:
            found.append(answer.preferred == self.preferred)
        return all(found) if found else None


def read_gold_ledger(folder: Path) -> dict[Key, Gold]:
    """The gold items of a feedback folder: whoever publishes a set notes there which of its records are gold.

    Raises:
        DataError: a line is damaged.
    """
    return dict(_gold(row, folder / GOLD) for row in read_rows(folder / GOLD))


def _gold(row: dict[str, Any], file: Path) -> tuple[Key, Gold]:
    if "review_set" not in row or "item_id" not in row:
        raise DataError(f"{file}: a line has no review_set or item_id; restore the file from a backup")
    tolerance = row.get("tolerance")
    gold = Gold(row.get("rating"), DEFAULT_TOLERANCE if tolerance is None else int(tolerance), row.get("preferred"))
    return (str(row["review_set"]), str(row["item_id"])), gold
