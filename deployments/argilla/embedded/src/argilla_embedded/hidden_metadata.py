"""Annotators cannot search by metadata that is hidden from them: to them there is none of that name.

Upstream leaves it out of what it shows, but filters and sorts by it for whoever knows its name, which gives its values
away: a gold mark, or the model that wrote an answer.
"""

from functools import wraps
from typing import Any
from uuid import UUID

from argilla_server.api.handlers.v1.datasets import records as upstream
from argilla_server.api.policies.v1 import DatasetPolicy, MetadataPropertyPolicy, is_authorized
from argilla_server.api.schemas.v1.records import MetadataFilterScope, SearchRecordsQuery, SearchRecordsResult
from argilla_server.errors.future import UnprocessableEntityError
from argilla_server.models import Dataset, MetadataProperty, User
from fastapi import APIRouter
from fastapi.routing import APIRoute
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from argilla_embedded.routes import put_first

_upstreams = upstream.search_current_user_dataset_records


def protect() -> None:
    """Put the check before upstream's handler; call it once, before the first request."""
    (route,) = (one for one in upstream.router.routes if isinstance(one, APIRoute) and one.endpoint is _upstreams)
    checked = APIRouter(tags=["records"])
    checked.add_api_route(
        route.path,
        _search,
        methods=list(route.methods),
        response_model=SearchRecordsResult,
        response_model_exclude_unset=True,
    )
    put_first(checked)


@wraps(_upstreams)
async def _search(**given: Any) -> SearchRecordsResult:
    await _refuse_hidden(given["db"], given["dataset_id"], given["body"], given["current_user"])
    return await _upstreams(**given)


async def _refuse_hidden(db: AsyncSession, dataset_id: UUID, query: SearchRecordsQuery, user: User) -> None:
    """Raises: UnprocessableEntityError: as upstream's for a name that is not there."""
    asked = _properties_in(query)
    dataset = await Dataset.get(db, dataset_id) if asked else None
    if dataset is None or not await is_authorized(user, DatasetPolicy.search_records(dataset)):
        return  # upstream's handler refuses
    of_these = MetadataProperty.dataset_id == dataset_id, MetadataProperty.name.in_(asked)
    for known in await db.scalars(select(MetadataProperty).where(*of_these)):
        if not await is_authorized(user, MetadataPropertyPolicy.get(known)):
            raise UnprocessableEntityError(
                f"MetadataProperty not found filtering by name={known.name}, dataset_id={dataset_id}"
            )


def _properties_in(query: SearchRecordsQuery) -> set[str]:
    filters = query.filters.and_ or [] if query.filters else []
    scopes = [part.scope for part in (*filters, *(query.sort or []))]
    return {scope.metadata_property for scope in scopes if isinstance(scope, MetadataFilterScope)}
