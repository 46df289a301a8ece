"""Starts Argilla in this process; import it only after the environment has been written."""

import asyncio
import logging
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import uvicorn
from alembic import command
from alembic.config import Config
from argilla_server import database
from argilla_server.jobs.queues import DEFAULT_QUEUE, HIGH_QUEUE, REDIS_CONNECTION
from argilla_server.settings import settings
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from argilla_embedded import events, speed, statuses
from argilla_embedded.owner import Owner, save_owner
from argilla_embedded.search import engine  # noqa: F401  registers the search engine
from argilla_embedded.search.documents import reconcile
from argilla_embedded.search.storage import connect, files
from argilla_embedded.worker import JobRunner

_LOGGER = logging.getLogger(__name__)
_GRACEFUL_SECONDS = 3


def run(listener: socket.socket, owner: Owner | None, on_tick: Callable[[], None]) -> None:
    """Serve on `listener` until a signal asks to stop; `on_tick` is called every second from a thread."""
    migrate()
    reindex()
    share_connections_safely()
    asyncio.run(statuses.recount())
    speed.apply()
    events.survive_a_lost_queue()
    if owner is not None:
        asyncio.run(save_owner(owner))
    from argilla_server import app

    from argilla_embedded.page import keep_private

    jobs = JobRunner([HIGH_QUEUE, DEFAULT_QUEUE], REDIS_CONNECTION, on_tick)
    jobs.start()
    try:
        options = uvicorn.Config(
            keep_private(app), log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACEFUL_SECONDS
        )
        uvicorn.Server(options).run(sockets=[listener])
    finally:
        jobs.stop()


def migrate() -> None:
    """Bring the database to the schema of the installed server; readers and writers no longer block each other."""
    database_file, _ = files()
    with closing(sqlite3.connect(database_file)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    # Built by hand, not from upstream's alembic.ini, whose logging section would silence our loggers.
    config = Config()
    config.set_main_option("script_location", str(Path(database.ALEMBIC_CONFIG_FILE).parent / "alembic"))
    command.upgrade(config, "head")


def reindex() -> None:
    """Index what a crash kept from being indexed, or everything when `search.db` is gone."""
    with closing(connect(*files())) as connection:
        reconcile(connection)


def share_connections_safely() -> None:
    """Give every database session its own connection.

    Jobs run on other event loops than requests do, and a pool that both wait on would wake them from the wrong thread.
    Opening a SQLite file takes well under a millisecond.
    """
    unpooled = create_async_engine(
        settings.database_url, poolclass=NullPool, hide_parameters=True, **settings.database_engine_args
    )
    database.AsyncSessionLocal.configure(bind=unpooled)
