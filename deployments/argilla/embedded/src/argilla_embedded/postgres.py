"""Argilla's tables in Postgres, read and written as the texts that its SQLite database holds.

Both databases then compare value by value: ids as 32 hex digits, moments as `2025-01-31 12:00:00.000000`, truth as 0 or
1, JSON letter by letter as it was stored.
"""

import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812  a class with a lower-case name
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2

from argilla_embedded.backends import BackendError

SCHEMA = "argilla_embedded"  # everything of ours in the team's database; DROP SCHEMA ... CASCADE takes it out
MIGRATIONS = f"{SCHEMA}.migrations"
_OLDEST = 140000
_MAY_MAKE_TABLES = (
    "SELECT has_database_privilege(current_database(), 'CREATE') AND has_schema_privilege(current_schema(), 'CREATE')"
)
_UNFINISHED_MIGRATIONS = f"SELECT count(*) FROM {MIGRATIONS} WHERE finished_at IS NULL"
_CONNECT_TIMEOUT_SECONDS = 10
# A machine that lost power closes no connection, and its locks would be held for hours.
_OPTIONS = "-c tcp_keepalives_idle=5 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=2 -c lock_timeout=30s"
_GUARD = 0x617267_696C6C61  # advisory lock: who holds it is the only embedded server (or migration) of this database
_GUARD_WAIT_SECONDS = 15
_STORED_AS = {
    "uuid": "replace({}::text, '-', '')",
    "timestamp without time zone": "to_char({}, 'YYYY-MM-DD HH24:MI:SS.US')",
    "boolean": "{}::int::text",
}
_SQLITE_TYPES = {
    "uuid": "CHAR(32)",
    "timestamp without time zone": "DATETIME",
    "boolean": "BOOLEAN",
    "json": "JSON",
    "integer": "INTEGER",
}


@dataclass(frozen=True)
class Column:
    name: str
    type: str  # as Postgres names it

    @property
    def quoted(self) -> str:
        return '"' + self.name.replace('"', '""') + '"'

    @property
    def as_stored(self) -> str:
        """An SQL expression for the text that SQLite would hold."""
        return _STORED_AS.get(self.type, "{}::text").format(self.quoted)

    @property
    def sqlite_type(self) -> str:
        return _SQLITE_TYPES.get(self.type, "VARCHAR")


def connect(database_url: str, application: str) -> Connection:
    """Open a connection that the server side gives up within seconds of our end.

    Raises:
        BackendError: no answer, no such database, or no permission.
    """
    arguments, options = PGDialect_psycopg2().create_connect_args(make_url(database_url))
    try:
        return psycopg2.connect(
            *arguments,
            **options,
            application_name=application,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            options=_OPTIONS,
        )
    except psycopg2.OperationalError as error:
        raise BackendError(f"Postgres cannot be used: {error}".strip()) from error


def check(database_url: str) -> None:
    """Find out early what would otherwise go wrong later.

    Raises:
        BackendError: no answer, an old Postgres, a role without rights, or a migration that was left half-way.
    """
    with closing(connect(database_url, "argilla-embedded")) as connection:
        if connection.server_version < _OLDEST:
            raise BackendError(f"Postgres 14 or newer is needed, this is {connection.server_version // 10000}")
        if not _scalar(connection, _MAY_MAKE_TABLES):
            role = connection.info.user
            raise BackendError(f"the role {role} may not make tables here: ALTER DATABASE ... OWNER TO {role}")
        if _scalar(connection, f"SELECT to_regclass('{MIGRATIONS}')") and _scalar(connection, _UNFINISHED_MIGRATIONS):
            raise BackendError("a migration into this database has not finished: run argilla-embedded migrate again")


def take_guard(connection: Connection) -> None:
    """Be the only embedded server of this database for as long as `connection` lives.

    Raises:
        BackendError: another one is.
    """
    deadline = time.monotonic() + _GUARD_WAIT_SECONDS  # a server that was killed lets go only after its time-out
    while not _scalar(connection, "SELECT pg_try_advisory_lock(%s)", (_GUARD,)):
        if time.monotonic() > deadline:
            raise BackendError("another argilla-embedded serves this database, or copies into it")
        time.sleep(0.2)


def columns_of(connection: Connection, table: str) -> list[Column]:
    """The columns of a table that is found on the search path, in their order."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            (table,),
        )
        return [Column(name, kind) for name, kind in cursor]


def selected(columns: Iterable[Column]) -> str:
    return ", ".join(column.as_stored for column in columns)


def _scalar(connection: Connection, query: str, parameters: tuple[Any, ...] = ()) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchone()[0]
