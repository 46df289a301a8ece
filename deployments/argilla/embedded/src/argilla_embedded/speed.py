"""Replacements inside argilla_server that make logging records several times faster; upstream's behaviour stays.

Upstream's own unit tests run with all of them in place.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import brotli_asgi
from argilla_server.api.schemas.v1.questions import QuestionSettings
from argilla_server.bulk import records_bulk
from argilla_server.contexts import distribution, records, webhooks
from argilla_server.models import Dataset, MetadataProperty, Question, Record
from argilla_server.models.metadata_properties import MetadataPropertySettings
from argilla_server.models.mixins import CRUDMixin
from argilla_server.validators import records as record_validators
from argilla_server.webhooks.v1.enums import RecordEvent
from argilla_server.webhooks.v1.records import notify_record_event
from brotli import Compressor
from pydantic import TypeAdapter
from rq.job import Job
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql import sqltypes
from starlette import requests, responses
from starlette.middleware.gzip import GZipResponder

from argilla_embedded import bulk_logging, quick_json

_NOTIFYING_MODULES = (records_bulk, distribution, records)
_CHEAPEST = 1


def apply() -> None:
    """Put the replacements in place; call it once, before the app is imported."""
    Question.parsed_settings = _cached_parser(TypeAdapter(QuestionSettings))
    MetadataProperty.parsed_settings = _cached_parser(TypeAdapter(MetadataPropertySettings))
    for module in _NOTIFYING_MODULES:
        module.notify_record_event_v1 = _notify_if_wanted
    record_validators.Record = _Candidate
    CRUDMixin.upsert_many = classmethod(bulk_logging.upsert_many)
    records_bulk._preload_records_relationships_before_index = bulk_logging.preload_relationships  # noqa: SLF001
    distribution.unsafe_update_records_status = bulk_logging.update_statuses
    for module in (sqltypes, requests, responses):
        module.json = quick_json
    brotli_asgi.Compressor = _compress_quickly
    brotli_asgi.GZipResponder = partial(GZipResponder, compresslevel=_CHEAPEST)


def _compress_quickly(**options: Any) -> Compressor:
    # Upstream's quality costs a quarter of the time of a bulk, for readers that are on this machine as a rule.
    return Compressor(**(options | {"quality": _CHEAPEST}))


def _cached_parser(adapter: TypeAdapter[Any]) -> property:
    # Upstream builds the adapter anew for every value of every record.
    return property(lambda self: adapter.validate_python(self.settings))


@dataclass(frozen=True)
class _Candidate:
    """What validators ask of a record that is not there yet; upstream's own would join the dataset's other records."""

    fields: dict[str, Any]
    dataset: Dataset


async def _notify_if_wanted(db: AsyncSession, event: RecordEvent, record: Record) -> list[Job]:
    # Upstream loads the whole dataset to describe an event that, mostly, no webhook wants.
    return await notify_record_event(db, event, record) if event in await _wanted_events(db) else []


async def _wanted_events(db: AsyncSession) -> set[str]:
    """Asked once in a transaction, and not for each record of a bulk."""
    transaction, events = db.info.get(_wanted_events, (None, set()))
    if transaction is None or transaction is not db.sync_session.get_transaction():
        events = {event for webhook in await webhooks.list_enabled_webhooks(db) for event in webhook.events}
        db.info[_wanted_events] = db.sync_session.get_transaction(), events
    return events
