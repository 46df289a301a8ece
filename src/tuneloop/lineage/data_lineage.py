"""Where one row of a data version came from and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from tuneloop.data.rejection_reasons import meaning
from tuneloop.records import Record, Rejection

REVIEW_FACTS = (
    "review_set",
    "item_id",
    "response_id",
    "reviewer",
    "reviewed_at",
    "adjudicator",
    "model",
    "rating",
    "label",
    "mended",
    "edited",
)
"""What rows that people made carry in `extra` of who said what of whose answer, and when."""


class Lineage(BaseModel):
    """The life of a row; `split` is None for a row that was set aside. Holds no text of the row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    source: str
    line: int
    split: str | None = None
    cluster: str | None = None
    created_at: str | None = None
    group: str | None = None
    given_id: str | None = None
    """The id that the source gave, where another row had it first."""
    review: dict[str, Any] = {}
    since: str | None = None
    """What became of a reviewer's words after this data version was made."""
    synthetic: dict[str, Any] = {}
    """Method and origin of a row that was made from another."""
    reason: str | None = None
    meaning: str | None = None
    detail: str | None = None
    related: str | None = None
    """The row that was kept instead, or that this one contradicts."""


def kept_row(record: Record, split: str, cluster: str | None) -> Lineage:
    return Lineage(
        id=record.id,
        source=record.source,
        line=record.line,
        split=split,
        cluster=cluster,
        created_at=record.created_at,
        group=record.group,
        **_told_by(record.extra),
    )


def set_aside_row(rejection: Rejection, record: Record | None) -> Lineage:
    """`record` is what the rejection's raw text holds, where that could be read as a row. Its group is left out: it may
    be a customer's name, since not every row has been treated before it is set aside."""
    return Lineage(
        id=rejection.record_id or f"{rejection.source}:{rejection.line}",
        source=rejection.source,
        line=rejection.line,
        reason=rejection.reason,
        meaning=meaning(rejection.reason),
        detail=rejection.detail,
        related=rejection.related,
        created_at=record.created_at if record else None,
        **_told_by(record.extra if record else {}),
    )


def named(rejections: Iterable[Rejection], name: str) -> list[Rejection]:
    """Set-aside rows with this id or, for rows without one, this `source:line`."""
    return [r for r in rejections if name in {r.record_id, f"{r.source}:{r.line}"}]


def _told_by(extra: Mapping[str, Any]) -> dict[str, Any]:
    synthetic = extra.get("synthetic")
    return {
        "given_id": extra.get("given_id"),
        "review": {name: extra[name] for name in REVIEW_FACTS if name in extra},
        "synthetic": dict(synthetic) if isinstance(synthetic, Mapping) else {},
    }
