"""Which connection a database session gets.

Requests run on the server's event loop; each job runs on a loop of its own, in another thread. A pool that both wait on
would wake them from the wrong thread, and an asyncpg connection answers only on the loop that opened it.
"""

import asyncio
from typing import Any

from argilla_server import database
from argilla_server.settings import settings
from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

_DISCREET = {"hide_parameters": True}  # people's texts do not belong into error messages


def give_each_its_own() -> None:
    """A new connection per session: well under a millisecond for a SQLite file, some 10 ms for Postgres."""
    connect = {"connect_args": {"timeout": settings.database_sqlite_timeout}} if settings.database_is_sqlite else {}
    unpooled = create_async_engine(settings.database_url, poolclass=NullPool, **_DISCREET, **connect)
    database.AsyncSessionLocal.configure(bind=unpooled)


async def pool_for_this_loop() -> None:
    """From now on, sessions on the running loop take their connections from a pool that survives a Postgres restart."""
    loop, unpooled = asyncio.get_running_loop(), database.AsyncSessionLocal.kw["bind"].sync_engine
    options = {**_DISCREET, **settings.database_engine_args}
    engine = create_async_engine(settings.database_url, pool_pre_ping=True, **options)

    class LoopSession(Session):
        def get_bind(self, *_: Any, **__: Any) -> Engine | Connection:
            return engine.sync_engine if asyncio.get_running_loop() is loop else unpooled

    # Upstream asks a session's `bind` for the kind of database; the session itself asks `get_bind`.
    database.AsyncSessionLocal.configure(bind=engine, sync_session_class=LoopSession)
