"""Starts Argilla in this process; import it only after the environment has been written."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing

import uvicorn
from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
from argilla_server.settings import settings

from argilla_embedded import credentials, events, finite_vectors, schema, sessions, speed, statuses
from argilla_embedded.owner import Owner, save_owner
from argilla_embedded.punctual import PunctualProtocol
from argilla_embedded.search import engine  # noqa: F401  registers the search engine
from argilla_embedded.search.documents import reconcile
from argilla_embedded.search.storage import connect, files, open_storage, postgres_mirror
from argilla_embedded.worker import JobRunner

_LOGGER = logging.getLogger(__name__)
_GRACEFUL_SECONDS = 3
_MAX_HEADER_BYTES = 32 * 1024


def run(listener: socket.socket, owner: Owner | None, on_tick: Callable[[], None]) -> None:
    """Serve on `listener` until a signal asks to stop; `on_tick` is called every second from a thread."""
    migrate()
    reindex()
    sessions.give_each_its_own()
    asyncio.run(statuses.recount())
    speed.apply()
    finite_vectors.insist()
    events.survive_a_lost_queue()
    credentials.revoke_with_passwords()
    if owner is not None:
        asyncio.run(save_owner(owner))
    from argilla_server import app

    from argilla_embedded import colleagues, hidden_metadata, login, single_record
    from argilla_embedded.door import Door
    from argilla_embedded.page import keep_private

    for replace in (single_record.mend, hidden_metadata.protect, colleagues.hide, login.limit):
        replace()
    jobs = JobRunner([HIGH_QUEUE, DEFAULT_QUEUE], REDIS_CONNECTION, on_tick)
    jobs.start()
    try:
        options = uvicorn.Config(
            keep_private(app, Door(app)),
            http=PunctualProtocol,
            h11_max_incomplete_event_size=_MAX_HEADER_BYTES,
            ws="none",
            proxy_headers=False,  # whom an attempt to log in counts for is not for the client to say
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        )
        _Server(options).run(sockets=[listener])
    finally:
        jobs.stop()


class _Server(uvicorn.Server):
    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """As usual, on connections that belong to the loop that answers requests."""
        if settings.database_is_postgresql:
            await sessions.pool_for_this_loop()
        await super().serve(sockets)


def migrate() -> None:
    """Bring the database to the schema of the installed server, as its only user."""
    mirror = postgres_mirror()
    if mirror is not None:
        mirror.open()
    else:
        with closing(sqlite3.connect(files()[0])) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # readers and writers do not block each other
    schema.upgrade()


def reindex() -> None:
    """Index what a crash kept from being indexed, or everything when `search.db` is gone."""
    open_storage().refresh()
    with closing(connect(*files())) as connection:
        reconcile(connection)
