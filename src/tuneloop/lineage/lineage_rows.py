"""Find a row of a data version, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from tuneloop.data.rejection_reasons import meaning
from tuneloop.errors import DataError
from tuneloop.records import Record, Rejection
from tuneloop.row_files import batches, record_of

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


def all_rows(folder: Path, split: str) -> Iterator[Lineage]:
    """Every row of one split of a data version, without its text."""
    return _found(folder, split, None, lambda _: True)


def reviewed_rows(folder: Path, split: str) -> Iterator[Lineage]:
    """The rows that people's corrections became."""
    return _found(folder, split, '"reviewer"', lambda record: "reviewer" in record.extra)


def rows_of_reviewer(folder: Path, split: str, reviewer: str) -> Iterator[Lineage]:
    """The rows that the corrections of one pseudonym became."""
    return _found(folder, split, _json(reviewer), lambda record: record.extra.get("reviewer") == reviewer)


def rows_of_id(folder: Path, split: str, row_id: str) -> Iterator[Lineage]:
    """The row with this id, the one whose source called it so, and the synthetic ones that were made of it."""

    def is_wanted(record: Record) -> bool:
        synthetic = record.extra.get("synthetic")
        made_of = synthetic.get("of") if isinstance(synthetic, dict) else None
        return row_id in {record.id, record.extra.get("given_id"), made_of}

    return _found(folder, split, _json(row_id), is_wanted)


def set_aside(folder: Path, row_id: str) -> Iterator[Lineage]:
    """Why rows of this id, or this `source:line`, were set aside when the version was made."""
    yield from set_aside_in(folder / "quarantine.jsonl", row_id)


def set_aside_in(file: Path, row_id: str) -> Iterator[Lineage]:
    """The same out of one file: a version's, or that of a recipe whose data was refused as a whole."""
    try:
        with file.open(encoding="utf-8", errors="surrogatepass") as lines:
            wanted = [json.loads(line) for line in lines if _may_name(line, row_id)]
    except FileNotFoundError:
        return
    for rejection in (Rejection(**row) for row in wanted):
        if named([rejection], row_id) or _given_id(rejection) == row_id:
            yield set_aside_row(rejection, None)


def _given_id(rejection: Rejection) -> str | None:
    """What the source calls a row that was set aside under another id."""
    try:
        raw = json.loads(rejection.raw or "null")
    except ValueError:
        return None
    extra = raw.get("extra") if isinstance(raw, dict) else None
    return extra.get("given_id") if isinstance(extra, dict) else None


def _may_name(line: str, row_id: str) -> bool:
    source, colon, _ = row_id.rpartition(":")
    inside = json.dumps(_json(row_id))[1:-1]  # in the raw row, which is JSON within JSON
    return _json(row_id) in line or inside in line or (bool(colon) and _json(source) in line)


def _found(folder: Path, split: str, needle: str | None, is_wanted: Callable[[Record], bool]) -> Iterator[Lineage]:
    """Rows whose JSON holds `needle` somewhere and that are wanted; a split that is not there has none.

    Raises:
        DataError: the file is damaged.
    """
    import pyarrow as pa
    from pyarrow import compute

    path = folder / f"{split}.parquet"
    if not path.is_file():
        return
    try:
        for batch in batches(path):
            texts = batch.column("record")
            rows = batch if needle is None else batch.filter(compute.match_substring(texts, needle))
            for _, cluster, text in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                record = record_of(text)
                if is_wanted(record):
                    yield kept_row(record, split, cluster)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({type(error).__name__}); restore it from a backup") from error


def _json(text: str) -> str:
    """As the data versions write it."""
    return json.dumps(text, ensure_ascii=False)
