"""A pytest plugin for upstream's own test run: our search engine works on the tests' database connection.

Upstream's tests never commit, so the engine must read through their connection. Its main database is made to be an
empty one in memory, for our index, with Argilla's attached to it, as `storage.connect` has it.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from argilla_embedded import finite_vectors, hidden_metadata, single_record, speed
from argilla_embedded.search.storage import equip
from argilla_server.settings import settings
from sqlalchemy import event
from sqlalchemy.engine import Engine, make_url
from stand_in import BoundEngine, Elasticsearch

T = TypeVar("T")


def pytest_configure() -> None:
    # The whole suite checks that the replacements keep upstream's behaviour.
    speed.apply()
    finite_vectors.insist()
    single_record.mend()
    hidden_metadata.protect()


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Any:
    """Upstream's fixtures of these names would look for a running Elasticsearch."""
    fixtures = {
        "opensearch": lambda: Elasticsearch(bound_connection),
        "search_engine": lambda: BoundEngine(BoundStorage()),
    }
    if fixturedef.argname not in fixtures:
        return None
    value = fixtures[fixturedef.argname]()
    fixturedef.cached_result = (value, fixturedef.cache_key(request), None)
    return value


@event.listens_for(Engine, "do_connect")
def _open_in_memory(dialect: Any, record: Any, arguments: list[Any], keywords: dict[str, Any]) -> None:
    if dialect.is_async:  # migrations do without asyncio; they must find Argilla's tables in the main database
        arguments[0] = ":memory:"


@event.listens_for(Engine, "connect")
def _attach(connection: Any, record: Any) -> None:
    if hasattr(connection, "driver_connection"):
        cursor = connection.cursor()
        cursor.execute("ATTACH DATABASE ? AS argilla", (make_url(settings.database_url).database,))
        cursor.close()
        equip(connection.driver_connection._conn)


class BoundStorage:
    """What the engine needs of `Storage`, on the tests' connection and inside their transaction."""

    async def read(self, task: Callable[[sqlite3.Connection], T]) -> T:
        from tests.database import TestSession

        await TestSession.flush()  # the server commits before it calls the engine
        return task(bound_connection())

    write = read


def bound_connection() -> sqlite3.Connection:
    """The connection below SQLAlchemy and aiosqlite; nobody else uses it while a test's own code runs."""
    from tests.database import TestSession

    return TestSession().bind.sync_connection.connection.driver_connection._conn
