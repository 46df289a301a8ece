"""A copy, in SQLite, of the tables that searches read; Postgres stays the only truth.

The copy is brought level with Postgres before every search, so a search sees what has been committed, as it does on
Argilla's own SQLite file. It may be deleted while the server is down.
"""

import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ
from psycopg2.extensions import connection as Connection  # noqa: N812  a class with a lower-case name

from argilla_embedded.postgres import Column, columns_of, connect, selected, take_guard
from argilla_embedded.search import changes

_LOGGER = logging.getLogger(__name__)
_TABLES = ("datasets", "fields", "questions", "records", "responses", "suggestions", "vectors")
_ROWS_PER_FETCH = 1000
# Tells two versions of a row apart without reading it. The transaction alone would not do: numbers repeat after a
# restore, and times alone could be equal.
_VERSION = "xmin::text || ' ' || updated_at::text"
# Rows that were logged together keep their order as well as Postgres still knows it.
_AS_LOGGED = "inserted_at, ctid"


class Mirror:
    """Keeps `file` level with the database; safe to use from several threads."""

    def __init__(self, database_url: str, file: Path) -> None:
        self._database_url = database_url
        self._file = file
        self._lock = threading.Lock()
        self._source: Connection | None = None
        self._columns: dict[str, list[Column]] = {}

    def open(self) -> None:
        """Connect and be the only server of this database.

        Raises:
            BackendError: Postgres cannot be used, or another server uses it.
        """
        source = connect(self._database_url, f"argilla-embedded {secrets.token_hex(4)}")
        take_guard(source)
        source.commit()
        source.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ)
        self._source, self._columns = source, {}

    def refresh(self) -> None:
        """Copy what has been committed since the last call; everything that differs after a lost connection."""
        with self._lock:
            try:
                self._level()
            except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
                _LOGGER.warning("connecting to Postgres again: %s", error)
                self.close()
                self._level()

    def close(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.close()

    def _level(self) -> None:
        if self._source is None:
            self.open()
        assert self._source is not None
        if not self._columns:
            self._start_listening(self._source)
        elif changes.are_waiting(self._source):
            with self._source, closing(_open(self._file)) as copy:
                _apply(self._source, copy, changes.take(self._source), self._columns)

    def _start_listening(self, source: Connection) -> None:
        changes.listen(source, _TABLES)
        columns = {table: columns_of(source, table) for table in _TABLES}
        with source, closing(_open(self._file)) as copy:
            changes.take(source)  # of an earlier life; the comparison sees them too
            for table in _TABLES:
                _prepare(copy, table, columns[table])
            _apply(source, copy, {table: _different(source, copy, table) for table in _TABLES}, columns)
        self._columns = columns  # last: until all of this has succeeded, the next call starts over


def _open(file: Path) -> sqlite3.Connection:
    copy = sqlite3.connect(file)
    copy.execute("PRAGMA journal_mode = WAL")
    copy.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes, the next start copies again
    return copy


def _prepare(copy: sqlite3.Connection, table: str, columns: list[Column]) -> None:
    """Make the table; one with other columns (the server was upgraded) is made anew."""
    known = [name for _, name, *_ in copy.execute(f"PRAGMA table_info({table})")]
    if known == [*(column.name for column in columns), "_version"]:
        return
    copy.execute(f"DROP TABLE IF EXISTS {table}")
    definitions = ", ".join(f"{column.quoted} {column.sqlite_type}" for column in columns)
    copy.execute(f"CREATE TABLE {table} ({definitions}, _version TEXT NOT NULL, PRIMARY KEY (id))")
    for column in columns:
        if column.name.endswith("_id"):
            copy.execute(f'CREATE INDEX "{table}_{column.name}" ON {table} ({column.quoted})')


def _different(source: Connection, copy: sqlite3.Connection, table: str) -> list[str]:
    """Ids of rows that one side lacks or has in another version."""
    known = dict(copy.execute(f"SELECT id, _version FROM {table}"))
    with source.cursor() as cursor:
        cursor.execute(f"SELECT replace(id::text, '-', ''), {_VERSION} FROM {table} ORDER BY {_AS_LOGGED}")
        live = dict(cursor.fetchall())
    return [*(known.keys() - live.keys()), *(row_id for row_id in live if live[row_id] != known.get(row_id))]


def _apply(
    source: Connection, copy: sqlite3.Connection, ids: dict[str, list[str]], columns: dict[str, list[Column]]
) -> None:
    """One transaction: a search sees all of it or nothing."""
    with copy:
        for table, changed in ids.items():
            for part in _in_parts(changed):
                _copy_rows(source, copy, table, columns[table], part)


def _copy_rows(source: Connection, copy: sqlite3.Connection, table: str, columns: list[Column], ids: list[str]) -> None:
    """Bring these rows to what Postgres holds; rows that it no longer has are deleted."""
    with source.cursor() as cursor:
        cursor.execute(
            f"SELECT {selected(columns)}, {_VERSION} FROM {table} WHERE id = ANY(%s::uuid[]) ORDER BY {_AS_LOGGED}",
            (ids,),
        )
        rows = cursor.fetchall()
    place = next(index for index, column in enumerate(columns) if column.name == "id")
    gone = set(ids) - {row[place] for row in rows}
    copy.executemany(f"DELETE FROM {table} WHERE id = ?", ((row_id,) for row_id in gone))
    names = [*(column.quoted for column in columns), "_version"]
    # An update, not a replacement: the row number tells in which order records were logged.
    changed = ", ".join(f"{name} = excluded.{name}" for name in names)
    copy.executemany(
        f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)}) "
        f"ON CONFLICT (id) DO UPDATE SET {changed}",
        rows,
    )


def _in_parts(ids: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(ids)
    while part := list(islice(remaining, _ROWS_PER_FETCH)):
        yield part
