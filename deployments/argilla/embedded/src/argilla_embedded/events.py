"""Webhooks of a moment in which the job queue is away.

Upstream queues a webhook after it has stored what the webhook tells of. When that fails it answers 500, so an annotator
sees an error for an answer that is saved, and sending it again is refused because it is there.
"""

import logging
from datetime import datetime
from typing import Any

import redis
from argilla_server.jobs.webhook_jobs import enqueue_notify_events
from argilla_server.webhooks.v1 import event as events
from rq.job import Job
from sqlalchemy.ext.asyncio import AsyncSession

_LOGGER = logging.getLogger(__name__)


def survive_a_lost_queue() -> None:
    """Put the replacement in place; call it once, before the first request."""
    events.enqueue_notify_events = _enqueue_or_warn


async def _enqueue_or_warn(db: AsyncSession, event: str, timestamp: datetime, data: dict[str, Any]) -> list[Job]:
    # Whoever relies on webhooks looks at the data now and then anyhow: deliveries are given up after three retries.
    try:
        return await enqueue_notify_events(db, event, timestamp, data)
    except redis.RedisError as error:
        _LOGGER.warning("no webhook tells of a %s, valkey is away (%s)", event, error)
        return []
