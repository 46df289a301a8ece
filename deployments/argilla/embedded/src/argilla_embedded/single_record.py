"""`GET /api/v1/records/{record_id}`, in the place of upstream's.

Upstream's answers 500 when the record has vectors, so the page stays empty when it is loaded again while it shows
similar records. And it shows annotators what searches keep from them: hidden metadata, and what others have answered.
"""

from typing import Annotated
from uuid import UUID

from argilla_server.api.handlers.v1.datasets.records import _filter_record_metadata_for_user
from argilla_server.api.policies.v1 import DatasetPolicy, RecordPolicy, authorize, is_authorized
from argilla_server.api.schemas.v1.records import Record as RecordSchema
from argilla_server.database import get_async_db
from argilla_server.models import Dataset, Record, User, Vector
from argilla_server.security import auth
from fastapi import APIRouter, Depends, Security
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import selectinload

from argilla_embedded.routes import put_first

_router = APIRouter(tags=["records"])


def mend() -> None:
    """Put it in place; call it once, before the first request."""
    put_first(_router)


@_router.get("/records/{record_id}")
async def get_record(
    record_id: UUID,
    db: Annotated[AsyncSession, Depends(get_async_db)],
    current_user: Annotated[User, Security(auth.get_current_user)],
) -> RecordSchema:
    """The record with its suggestions and vectors, and of metadata and responses what the user may see."""
    record = await Record.get_or_raise(
        db,
        record_id,
        options=[
            selectinload(Record.dataset).selectinload(Dataset.metadata_properties),
            selectinload(Record.suggestions),
            selectinload(Record.responses),
            selectinload(Record.vectors).selectinload(Vector.vector_settings),
        ],
    )
    await authorize(current_user, RecordPolicy.get(record))
    # A copy: what is taken out of the record itself, the session could delete.
    shown = RecordSchema.model_validate(record)
    shown.metadata = await _filter_record_metadata_for_user(record, current_user)
    if not await is_authorized(current_user, DatasetPolicy.list_records_with_all_responses(record.dataset)):
        shown.responses = [response for response in shown.responses or () if response.user_id == current_user.id]
    return shown
