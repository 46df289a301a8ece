"""The Postgres side: who may fill it, and rows as the texts that SQLite holds."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection  # noqa: N812  a class with a lower-case name
from psycopg2.extras import execute_values

from argilla_embedded.migration import MigrationError
from argilla_embedded.migration.source import Row, Table
from argilla_embedded.postgres import MIGRATIONS, SCHEMA, columns_of

_ROWS_PER_FETCH = 2000
_CLAIMS = f"""
    CREATE SCHEMA IF NOT EXISTS {SCHEMA};
    CREATE TABLE IF NOT EXISTS {MIGRATIONS} (
        home text PRIMARY KEY,
        started_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz
    );
"""


@dataclass(frozen=True)
class Claim:
    """A home's entry in the database that it is copied to; `finished` is the time in words, None before the end."""

    home: str
    finished: str | None = None


def claim(connection: Connection, home: str, tables: Sequence[Table]) -> Claim:
    """Take an empty database for this home, or find that it was taken before.

    Raises:
        MigrationError: the database holds what is not from this home.
    """
    with connection, connection.cursor() as cursor:
        cursor.execute(_CLAIMS)
        cursor.execute(f"SELECT home, to_char(finished_at, 'YYYY-MM-DD HH24:MI') FROM {MIGRATIONS}")
        claims = dict(cursor.fetchall())
        if home in claims:
            return Claim(home, claims[home])
        if claims:
            raise MigrationError("another home was migrated to this database: give each home a database of its own")
        if held := [f"{number} {table.name}" for table in tables if (number := count(connection, table))]:
            raise MigrationError(f"the database holds other data ({', '.join(held)}): give an empty one")
        cursor.execute(f"INSERT INTO {MIGRATIONS} (home) VALUES (%s)", (home,))
    return Claim(home)


def finish(connection: Connection, claimed: Claim) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE {MIGRATIONS} SET finished_at = now() WHERE home = %s", (claimed.home,))
        cursor.execute("ANALYZE")  # so that the first queries are planned for the rows that are there now


def count(connection: Connection, table: Table) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table.name}")
        return int(cursor.fetchone()[0])


def read(connection: Connection, table: Table) -> Iterator[Row]:
    """All rows in the order of the primary key, which for ids is that of their hex digits."""
    key = ", ".join(f'"{name}"' for name in table.key)
    with connection, connection.cursor("rows") as cursor:
        cursor.itersize = _ROWS_PER_FETCH
        cursor.execute(f"SELECT {_selection(connection, table)} FROM {table.name} ORDER BY {key}")
        yield from cursor


def matching(connection: Connection, table: Table, rows: Sequence[Row]) -> set[Row]:
    """Those of `rows` that the database holds, value by value."""
    key = ", ".join(f'"{name}"' for name in table.key)
    with connection.cursor() as cursor:
        query = f"SELECT {_selection(connection, table)} FROM {table.name} WHERE ({key}) IN %s"
        cursor.execute(query, (tuple(row[: table.key_size] for row in rows),))
        return set(cursor)


def write(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows, or bring those of an earlier attempt to these values, in one transaction.

    Raises:
        MigrationError: Postgres cannot hold one of them; the message names it.
    """
    try:
        with connection:
            _upsert(connection, table, rows)
    except (psycopg2.DataError, psycopg2.IntegrityError, ValueError) as error:
        if len(rows) == 1:
            raise MigrationError(
                f"{table.name} {'/'.join(map(str, rows[0][: table.key_size]))}: {_reason(error)}"
            ) from None
        for row in rows:
            write(connection, table, [row])


def _upsert(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    names, key = (", ".join(f'"{name}"' for name in part) for part in (table.columns, table.key))
    values = table.columns[table.key_size :]
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in values)
    with connection.cursor() as cursor:
        execute_values(
            cursor,
            f"INSERT INTO {table.name} ({names}) VALUES %s ON CONFLICT ({key}) DO UPDATE SET {changes}",
            rows,
            page_size=_ROWS_PER_FETCH,
        )


def _selection(connection: Connection, table: Table) -> str:
    columns = {column.name: column for column in columns_of(connection, table.name)}
    if set(columns) != set(table.columns):
        raise MigrationError(f"{table.name} has other columns in Postgres than in the home")
    return ", ".join(columns[name].as_stored for name in table.columns)


def _reason(error: Exception) -> str:
    """Without the details, which would repeat people's texts."""
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    return f"Postgres cannot hold this row ({primary or type(error).__name__})"
