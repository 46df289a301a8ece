"""How a bulk of records reaches the database: steps of upstream's that prepare or read back far more than they use."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from argilla_server.contexts import distribution
from argilla_server.models import Record, Response, Suggestion
from argilla_server.models.mixins import _INSERT_FUNC, CRUDMixin
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, load_only, selectinload
from sqlalchemy.sql.base import ExecutableOption

Row = dict[str, Any]


async def upsert_many(
    model: type[CRUDMixin],
    db: AsyncSession,
    objects: Sequence[BaseModel | Row],
    constraints: list[InstrumentedAttribute[Any]],
    autocommit: bool = True,  # noqa: FBT001, FBT002  the replaced signature
) -> Sequence[CRUDMixin]:
    """Upstream's `CRUDMixin.upsert_many`, with a statement that is compiled once and not for each number of rows."""
    if not objects:
        raise ValueError("there is nothing to upsert")
    rows = [one if isinstance(one, dict) else one.model_dump() for one in objects]
    insert = _INSERT_FUNC[db.bind.dialect.name](model)
    changes: Row = {column: insert.excluded[column] for column in model.__upsertable_columns__ or ()}
    if hasattr(model, "updated_at"):
        changes["updated_at"] = datetime.now(UTC).replace(tzinfo=None)  # as all of upstream's
    upsert = insert.on_conflict_do_update(index_elements=constraints, set_=changes).returning(model)
    upserted = await db.scalars(upsert, rows, execution_options={"populate_existing": True})
    if autocommit:
        await db.commit()
    return upserted.all()


async def update_statuses(db: AsyncSession, records: list[Record]) -> None:
    """Upstream's `unsafe_update_records_status`, without reading the records' texts again."""
    await _load(db, records, selectinload(Record.dataset), selectinload(Record.responses_submitted))
    for record in records:
        await distribution._update_record_status(db, record)  # noqa: SLF001


async def preload_relationships(db: AsyncSession, records: Sequence[Record]) -> None:
    """What webhooks and the answer to the request need beside the records, without reading their texts again."""
    await _load(
        db,
        records,
        selectinload(Record.responses).selectinload(Response.user),
        selectinload(Record.responses_submitted),
        selectinload(Record.suggestions).selectinload(Suggestion.question),
        selectinload(Record.vectors),
    )


async def _load(db: AsyncSession, records: Sequence[Record], *options: ExecutableOption) -> None:
    chosen = select(Record).where(Record.id.in_([record.id for record in records]))
    await db.execute(chosen.options(load_only(Record.id), *options))
