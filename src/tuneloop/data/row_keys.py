"""What the comparison of rows needs to know of each of them: no records, so that a million rows fit in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Facts:
    """Columns of equal length, one entry per row, in the rows' order.

    `prompts` are normalised questions (see `near_duplicates.normalise`); `labels` is None where the recipe or the row
    has none. `private` rows are held out as well. `siblings` names the reviewed record that pairs and thumbs were made
    of: they have one prompt and may stand beside each other.
    """

    ids: list[str] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    groups: list[str | None] = field(default_factory=list)
    held_out: list[bool] = field(default_factory=list)
    private: list[bool] = field(default_factory=list)
    feedback: list[bool] = field(default_factory=list)
    answer_lengths: list[int] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    siblings: list[str | None] = field(default_factory=list)

    def extend(self, more: Facts) -> None:
        """Add rows behind these."""
        for column in fields(self):
            getattr(self, column.name).extend(getattr(more, column.name))

    def of(self, rows: Iterable[int]) -> Facts:
        """Return these rows alone, in the order given."""
        places = list(rows)
        columns: Mapping[str, Any] = {c.name: [getattr(self, c.name)[i] for i in places] for c in fields(self)}
        return Facts(**columns)
