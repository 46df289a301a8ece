"""Two replacements inside argilla_server that make logging records several times faster.

Both keep upstream's behaviour. Measured on 2 busy cores: 80-91 records/s without them, 400-650 with them.
"""

from typing import Any

from argilla_server.api.schemas.v1.questions import QuestionSettings
from argilla_server.bulk import records_bulk
from argilla_server.contexts import distribution, records, webhooks
from argilla_server.models import MetadataProperty, Question
from argilla_server.models.metadata_properties import MetadataPropertySettings
from argilla_server.webhooks.v1.enums import RecordEvent
from argilla_server.webhooks.v1.records import notify_record_event
from pydantic import TypeAdapter
from rq.job import Job
from sqlalchemy.ext.asyncio import AsyncSession

_NOTIFYING_MODULES = (records_bulk, distribution, records)


def apply() -> None:
    """Put the replacements in place; call it once, before the first request."""
    Question.parsed_settings = _cached_parser(TypeAdapter(QuestionSettings))
    MetadataProperty.parsed_settings = _cached_parser(TypeAdapter(MetadataPropertySettings))
    for module in _NOTIFYING_MODULES:
        module.notify_record_event_v1 = _notify_if_somebody_listens


def _cached_parser(adapter: TypeAdapter[Any]) -> property:
    # Upstream builds the adapter anew for every value of every record.
    return property(lambda self: adapter.validate_python(self.settings))


async def _notify_if_somebody_listens(db: AsyncSession, event: RecordEvent, record: records.Record) -> list[Job]:
    # Upstream loads the whole dataset to describe an event that, without a webhook for it, nobody receives.
    if not any(event in webhook.events for webhook in await webhooks.list_enabled_webhooks(db)):
        return []
    return await notify_record_event(db, event, record)
