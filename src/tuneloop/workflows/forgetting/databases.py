"""The servers' SQLite databases: rows are deleted or strings replaced, then the file is written anew.

`secure_delete` zeroes what is taken out, `VACUUM` leaves no free page, and the checkpoint empties the write-ahead log.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneloop.errors import DataError, ServiceError
from tuneloop.workflows.forgetting.wanted import Gathered, Wanted

ACCOUNT = ("username", "first_name", "last_name")
_BATCH = 1000
_PIECE, _OVERLAP = 1 << 20, 4096


@dataclass(frozen=True)
class Database:
    """How one server's database is treated: of the tables in `rows` whole rows go, of all others strings.

    `accounts` is a table of people who log in: a name becomes their pseudonym, and nobody can log in with it again.
    """

    rows: frozenset[str] = frozenset()
    accounts: str | None = None
    pseudonym_of: Callable[[str], str] | None = None
    busy_seconds: float = 10.0
    """How long another process may hold the database."""

    def __call__(self, file: Path, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
        """How many rows hold it; with `write`, they are erased, and so is all that the file had deleted before.

        Raises:
            ServiceError: a server is still at work with it. DataError: it is damaged.
        """
        try:
            with closing(_opened(file, self.busy_seconds, write=write)) as base:
                count = self._erase(base, wanted, gathered, write=write)
                count = count or int(not write and lingers(file, wanted))
                if write:
                    base.execute("VACUUM")
                    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError as error:
            raise ServiceError(f"{file} is in use ({error}): end the servers with `tuneloop down` first") from error
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"{file} is damaged ({error}): restore it from a backup, and run the command again"
            ) from error
        return count

    def _erase(self, base: sqlite3.Connection, wanted: Wanted, gathered: Gathered, *, write: bool) -> int:
        if write:
            base.execute("BEGIN IMMEDIATE")
        count = 0
        for table in _tables(base):
            for place, row in _touched(base, table, wanted):
                count += 1
                if table in self.rows:
                    gathered.add({name: _read(value) for name, value in row.items()})
                if write:
                    self._treat(base, table, place, row, wanted)
        if write:
            base.execute("COMMIT")
        return count

    def _treat(
        self, base: sqlite3.Connection, table: str, place: Mapping[str, Any], row: Mapping[str, Any], wanted: Wanted
    ) -> None:
        where = " AND ".join(f"{_quoted(name)} IS ?" for name in place)
        if table in self.rows:
            base.execute(f"DELETE FROM {_quoted(table)} WHERE {where}", [*place.values()])  # noqa: S608
            return
        new = self._account(row, wanted) if table == self.accounts else _blanked(row, wanted)
        for name, value in new.items():
            statement = f"UPDATE {_quoted(table)} SET {_quoted(name)} = ? WHERE {where}"  # noqa: S608
            try:
                base.execute(statement, [value, *place.values()])
            except sqlite3.IntegrityError:  # a name that has to be another than all others
                base.execute(statement, [f"{value} {secrets.token_hex(4)}", *place.values()])

    def _account(self, row: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
        if row.get("role") == "owner":
            raise DataError("this is the name of an owner's account, which the stack needs: nothing was changed there")
        name = self.pseudonym_of(str(uuid.UUID(str(row["id"])))) if self.pseudonym_of else wanted.name
        locked = {"api_key": secrets.token_urlsafe(32), "password_hash": f"!{secrets.token_hex(16)}"}
        return {"username": name, "first_name": name, "last_name": None, **locked}


def lingers(file: Path, wanted: Wanted) -> bool:
    """Whether the bytes of the database still hold what no row holds any more: free pages, or the log of writes."""
    companions = [file.with_name(f"{file.name}{ending}") for ending in ("", "-wal", "-journal")]
    return any(_stands_in_bytes(path, wanted) for path in companions if path.is_file())


def _stands_in_bytes(path: Path, wanted: Wanted) -> bool:
    with path.open("rb") as stream:
        tail = b""
        for piece in iter(lambda: stream.read(_PIECE), b""):
            if wanted.stands_in((tail + piece).decode("utf-8", "replace")):
                return True
            tail = piece[-_OVERLAP:]
    return False


def account_names(file: Path, table: str) -> dict[str, tuple[str, ...]]:
    """User id -> the names of an account; none where there is no such database."""
    if not file.is_file():
        return {}
    with closing(_opened(file, write=False)) as base:
        rows = base.execute(f"SELECT id, {', '.join(ACCOUNT)} FROM {_quoted(table)}").fetchall()  # noqa: S608
    return {str(uuid.UUID(str(user))): tuple(n for n in names if n) for user, *names in rows}


def _opened(file: Path, busy_seconds: float = 10.0, *, write: bool) -> sqlite3.Connection:
    mode = "rw" if write else "ro"
    base = sqlite3.connect(f"{file.absolute().as_uri()}?mode={mode}", uri=True, timeout=busy_seconds)
    base.isolation_level = None
    if write:
        base.execute("PRAGMA secure_delete = ON")
        base.execute("PRAGMA foreign_keys = ON")
    return base


def _tables(base: sqlite3.Connection) -> list[str]:
    """Ordinary tables; those inside a full-text index cannot be written to one by one."""
    found = base.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    virtual = [name for name, sql in found if (sql or "").upper().startswith("CREATE VIRTUAL")]
    inside = tuple(f"{name}_" for name in virtual)
    return [n for n, _ in found if n not in virtual and not n.startswith(("sqlite_", *inside))]


def _touched(
    base: sqlite3.Connection, table: str, wanted: Wanted
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """(what names the row in its table, the row) of every row that holds it.

    Rows are remembered before any is changed, since a changed row may come up again.
    """
    columns = base.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    names = [str(c[1]) for c in columns]
    key = _key(base, table, [str(c[1]) for c in sorted(columns, key=lambda c: int(c[5])) if c[5]])
    chosen = ", ".join([*map(_quoted, key), *map(_quoted, names)])
    cursor = base.execute(f"SELECT {chosen} FROM {_quoted(table)}")  # noqa: S608
    found = []
    for values in iter(lambda: cursor.fetchmany(_BATCH), []):
        for row in values:
            content = dict(zip(names, row[len(key) :], strict=True))
            if any(wanted.counted(_read(v)) for v in content.values() if isinstance(v, str | bytes)):
                found.append((dict(zip(key, row[: len(key)], strict=True)), content))
    yield from found


def _key(base: sqlite3.Connection, table: str, primary: list[str]) -> list[str]:
    try:
        base.execute(f"SELECT rowid FROM {_quoted(table)} LIMIT 1")  # noqa: S608
    except sqlite3.OperationalError:
        return primary  # a table WITHOUT ROWID has a primary key
    return ["rowid"]


def _read(value: Any) -> Any:
    """A cell as JSON where it is JSON, else as text."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if isinstance(text, str) and text.lstrip()[:1] in {"{", "[", '"'}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _blanked(row: Mapping[str, Any], wanted: Wanted) -> dict[str, Any]:
    """The cells that are to be another."""
    new = {}
    for name, value in row.items():
        if not isinstance(value, str | bytes) or not wanted.counted(_read(value)):
            continue
        read = _read(value)
        text = wanted.blanked(read) if isinstance(read, str) else json.dumps(wanted.blanked(read))
        new[name] = text.encode() if isinstance(value, bytes) else text
    return new


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
