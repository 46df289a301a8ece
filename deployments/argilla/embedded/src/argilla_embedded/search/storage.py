"""SQLite connections for the search engine.

The engine has connections of its own: request handlers already hold one of Argilla's while they call it. The main
database of each is `search.db`; `argilla.db` is attached read-only, so the engine cannot harm what people wrote, and
its write transactions never wait for Argilla's. When the rows are in Postgres, the copy in `mirror.db` takes its place.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from pydantic_core import from_json

from argilla_embedded.home import Home

if TYPE_CHECKING:
    from argilla_embedded.search.mirror import Mirror

T = TypeVar("T")

_THREADS = 4
_BUSY_TIMEOUT_SECONDS = 30
_SCHEMA = """
    CREATE TABLE IF NOT EXISTS documents (
        id INTEGER PRIMARY KEY,
        record_id TEXT NOT NULL UNIQUE,
        dataset_id TEXT NOT NULL,
        stamp TEXT NOT NULL
    );
    CREATE INDEX IF NOT EXISTS documents_dataset ON documents (dataset_id);
    CREATE TABLE IF NOT EXISTS embeddings (
        settings_id TEXT NOT NULL,
        document_id INTEGER NOT NULL REFERENCES documents (id) ON DELETE CASCADE,
        vector BLOB NOT NULL,
        UNIQUE (settings_id, document_id)
    );
    CREATE INDEX IF NOT EXISTS embeddings_document ON embeddings (document_id);
"""


class Storage:
    """Runs functions on a small pool of threads, each with its own connection; `refresh` is called before each."""

    def __init__(self, database: Path, index: Path, refresh: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._index = index
        self.refresh = refresh
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="search")

    async def read(self, task: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: self.run(task))

    async def write(self, task: Callable[[sqlite3.Connection], T]) -> T:
        """Run `task` in one transaction; it sees everything that Argilla has committed so far."""
        return await self.read(lambda connection: in_transaction(connection, task))

    def run(self, task: Callable[[sqlite3.Connection], T]) -> T:
        """Run `task` on this thread."""
        self.refresh()
        return task(self._connection())

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = connect(self._database, self._index)
        return connection


def connect(database: Path, index: Path) -> sqlite3.Connection:
    """Open `index` for writing with `database` attached read-only; creates the tables of `index` when missing.

    Both paths must be absolute.
    """
    connection = sqlite3.connect(
        index.as_uri(), uri=True, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # a derived file: the next start repairs what a power cut took
    connection.execute("PRAGMA foreign_keys = ON")
    equip(connection)
    connection.execute("ATTACH DATABASE ? AS argilla", (f"{database.as_uri()}?mode=ro",))
    return connection


def equip(connection: sqlite3.Connection) -> None:
    """Create the tables of the index when missing, and the functions that our SQL calls."""
    connection.executescript(_SCHEMA)
    connection.create_function("shuffle_weight", 2, shuffle_weight, deterministic=True)
    connection.create_function("unit_vector", 1, unit_vector, deterministic=True)
    connection.create_function("number_or_null", 1, number_or_null, deterministic=True)


def in_transaction(connection: sqlite3.Connection, task: Callable[[sqlite3.Connection], T]) -> T:
    # IMMEDIATE: a transaction that starts by reading could not wait for another writer, it would fail at once.
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = task(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return result


@cache
def open_storage() -> Storage:
    """The storage of this process; there is one, since the server makes an engine per request."""
    mirror = postgres_mirror()
    return Storage(*files()) if mirror is None else Storage(*files(), mirror.refresh)


@cache
def postgres_mirror() -> "Mirror | None":
    """The copy that stands in for Argilla's tables; None when SQLite itself holds them."""
    from argilla_server.settings import settings

    if not settings.database_is_postgresql:
        return None
    from argilla_embedded.search.mirror import Mirror

    database_url = settings.database_url
    assert database_url is not None
    return Mirror(database_url, files()[0])


def files() -> tuple[Path, Path]:
    """The SQLite file with Argilla's tables (or their copy), and ours."""
    from argilla_server.settings import settings

    home = Home(Path(str(settings.home_path)))
    return home.mirror if settings.database_is_postgresql else home.database, home.path / "search.db"


def shuffle_weight(record_id: str, seed: str) -> float:
    """A number in (0, 1] that depends on the two texts only: every user has an order of their own, always the same."""
    digest = blake2b(f"{seed}{record_id}".encode(), digest_size=6).digest()
    return (int.from_bytes(digest) + 1) / 2**48


def unit_vector(value: str) -> bytes:
    """Pack a JSON list of numbers as float32 of length one, so that a dot product is the cosine."""
    return normalised(from_json(value)).tobytes()


def normalised(values: list[float]) -> np.ndarray:
    """Of length one, or zero if all numbers are zero, as float32."""
    vector = np.asarray(values, dtype=np.float64)
    largest = np.abs(vector).max(initial=0)
    if largest:
        vector /= largest  # else the squares of very large or small numbers would be infinite or zero
        vector /= np.linalg.norm(vector)
    return vector.astype(np.float32)


def number_or_null(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
