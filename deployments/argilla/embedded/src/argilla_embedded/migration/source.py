"""The home's database, read as texts."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argilla_embedded.migration import MigrationError

Row = tuple[str | None, ...]

# Parents before children, as the foreign keys want it.
TABLES = (
    "users",
    "workspaces",
    "workspaces_users",
    "datasets",
    "datasets_users",
    "fields",
    "questions",
    "metadata_properties",
    "vectors_settings",
    "records",
    "responses",
    "suggestions",
    "vectors",
    "webhooks",
)


@dataclass(frozen=True)
class Table:
    """Columns in one order for both databases; the first `key_size` of them are the primary key."""

    name: str
    columns: tuple[str, ...]
    key_size: int

    @property
    def key(self) -> tuple[str, ...]:
        return self.columns[: self.key_size]


@contextmanager
def opened(database: Path) -> Iterator[sqlite3.Connection]:
    """Open for reading only; not by `mode=ro`, which could not take up the log that a killed server left."""
    connection = sqlite3.connect(database)
    try:
        connection.execute("PRAGMA query_only = ON")
        yield connection
    finally:
        connection.close()


def tables_of(connection: sqlite3.Connection, revision: str) -> list[Table]:
    """What there is to copy.

    Raises:
        MigrationError: the database has another schema than the installed server's, or tables unknown to us.
    """
    found = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "alembic_version" not in found or connection.execute("SELECT * FROM alembic_version").fetchall() != [
        (revision,)
    ]:
        raise MigrationError(
            "the home was written by another version of the server: start argilla-embedded serve on it once, "
            "end it, and migrate then"
        )
    if strangers := found - {*TABLES, "alembic_version"}:
        raise MigrationError(f"the home holds tables that this version cannot copy: {', '.join(sorted(strangers))}")
    return [_table(connection, name) for name in TABLES]


def _table(connection: sqlite3.Connection, name: str) -> Table:
    described = connection.execute(f"PRAGMA table_info({name})").fetchall()
    key = [column for _, column, *_, place in sorted(described, key=lambda one: one[-1]) if place]
    others = [column for _, column, *_ in described if column not in key]
    return Table(name, (*key, *others), len(key))


def count(connection: sqlite3.Connection, table: Table) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table.name}").fetchone()[0])


def read(connection: sqlite3.Connection, table: Table) -> Iterator[Row]:
    """All rows in the order of the primary key."""
    names, key = (", ".join(f'"{name}"' for name in part) for part in (table.columns, table.key))
    for row in connection.execute(f"SELECT {names} FROM {table.name} ORDER BY {key}"):
        # In Python and not by SQLite's CAST, which would cut a number to 15 digits.
        yield tuple(None if value is None else str(value) for value in row)
