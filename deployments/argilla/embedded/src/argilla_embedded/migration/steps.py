"""A migration from its beginning to the comparison at its end; killed anywhere, it is simply run again."""

import hashlib
import json
import sqlite3
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from psycopg2.extensions import connection as Connection  # noqa: N812  a class with a lower-case name

from argilla_embedded.environment import prepare_import
from argilla_embedded.home import Home
from argilla_embedded.migration import MigrationError, source, target
from argilla_embedded.migration.source import Row, Table
from argilla_embedded.postgres import connect, take_guard

_ROWS_PER_TRANSACTION = 500
_SECONDS_BETWEEN_REPORTS = 1.0


def migrate(home_path: Path, database_url: str) -> None:
    """Copy everything people made in the home to the Postgres at `database_url`, then compare both sides.

    Raises:
        MigrationError: the target holds other data, or the two sides differ at the end.
        HomeInUseError: a server runs on the home; its rows must not change meanwhile.
        BackendError: Postgres cannot be used.
    """
    home = Home(home_path.resolve())
    if not home.database.exists():
        raise MigrationError(f"{home.path} holds no argilla.db, so there is nothing to migrate")
    with (
        home.locked(),
        closing(connect(database_url, "argilla-embedded migration")) as there,
        source.opened(home.database) as here,
    ):
        take_guard(there)
        there.commit()
        tables = source.tables_of(here, _upgrade(home, database_url))
        claimed = target.claim(there, _identity(home), tables)
        if claimed.finished is None:
            for table in tables:
                _copy(here, there, table)
        _compare(here, there, tables, claimed)
        if claimed.finished is None:
            target.finish(there, claimed)
    print(_ADVICE.format(home=home.path))


def _upgrade(home: Home, database_url: str) -> str:
    """Bring the target to the installed server's schema; its revision."""
    home.prepare()
    prepare_import(home, 0, "redis://127.0.0.1", database_url)  # port and queue are not used
    from argilla_embedded import schema

    schema.upgrade()
    return schema.head()


def _identity(home: Home) -> str:
    """Tells homes apart in the target; a backup of a home counts as that home."""
    return hashlib.sha256(f"migration of {home.secret('auth')}".encode()).hexdigest()


def _copy(here: sqlite3.Connection, there: Connection, table: Table) -> None:
    """Write the rows that the target lacks or has in another form: after a kill, those that were not yet committed."""
    total, done, reported = source.count(here, table), 0, 0.0
    for rows in _in_parts(source.read(here, table)):
        with there:
            present = target.matching(there, table, rows)
        if missing := [row for row in rows if row not in present]:
            target.write(there, table, missing)
        done += len(rows)
        if done == total or time.monotonic() - reported > _SECONDS_BETWEEN_REPORTS:
            print(f"{table.name}: {done} of {total}", file=sys.stderr, flush=True)
            reported = time.monotonic()


def _compare(here: sqlite3.Connection, there: Connection, tables: Iterable[Table], claimed: target.Claim) -> None:
    differing = []
    for table in tables:
        numbers = source.count(here, table), target.count(there, table)
        sums = _checksum(source.read(here, table)), _checksum(target.read(there, table))
        is_equal = numbers[0] == numbers[1] and sums[0] == sums[1]
        verdict = "the same" if is_equal else "NOT the same"
        print(f"{table.name}: {numbers[0]} rows, sha256 {sums[0][:16]}, {verdict} in Postgres")
        if not is_equal:
            differing.append(f"{table.name} ({numbers[0]} rows here, {numbers[1]} there)")
    if differing and claimed.finished is not None:
        raise MigrationError(
            f"this home was migrated on {claimed.finished} (verified then), and the two have been used since: "
            f"{', '.join(differing)} differ. Nothing was copied, so that no newer answer is overwritten"
        )
    if differing:
        raise MigrationError(
            f"{', '.join(differing)} differ. Somebody else writes to this database: empty it, and migrate again"
        )


def _checksum(rows: Iterable[Row]) -> str:
    checksum = hashlib.sha256()
    for row in rows:
        checksum.update(json.dumps(row).encode())
    return checksum.hexdigest()


def _in_parts(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while part := list(islice(rows, _ROWS_PER_TRANSACTION)):
        yield part


_ADVICE = """
Everything is in Postgres, row by row the same. Next:

- With Elasticsearch (Argilla's own server image): give it the same ARGILLA_DATABASE_URL, set ARGILLA_AUTH_SECRET_KEY to
  the content of {home}/auth.secret so that people stay logged in, and run
  python -m argilla_server search-engine reindex
- With this server: ARGILLA_DATABASE_URL=... argilla-embedded serve --home {home}
- {home}/argilla.db is as it was. Keep it until the new server has been looked at; do not serve it any more.
"""
