"""Where Argilla keeps its rows and its jobs: in the home, or in a Postgres and a Redis named by the environment."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import redis
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from argilla_embedded.errors import CommandError
from argilla_embedded.home import Home
from argilla_embedded.valkey import Valkey

DATABASE_VARIABLE = "ARGILLA_DATABASE_URL"
REDIS_VARIABLE = "ARGILLA_REDIS_URL"
_PING_TIMEOUT_SECONDS = 10
# What both drivers read from a URL; they disagree on everything else.
_SHARED_PARAMETERS = {"host", "port"}


class BackendError(CommandError):
    """A database or a job queue that cannot be used, and what to do about it."""


@dataclass(frozen=True)
class Backends:
    """Addresses from the environment; None stands for the one in the home. They hold passwords."""

    database_url: str | None = field(default=None, repr=False)
    redis_url: str | None = field(default=None, repr=False)


def backends_from(environment: Mapping[str, str]) -> Backends:
    """Read and check the two addresses; nothing is contacted.

    Raises:
        BackendError: an address that no driver, or only one of the two drivers, would understand.
    """
    database, queue = environment.get(DATABASE_VARIABLE), environment.get(REDIS_VARIABLE)
    if queue and not queue.startswith(("redis://", "rediss://", "unix://")):
        raise BackendError(f"{REDIS_VARIABLE} must start with redis://, rediss:// or unix://")
    return Backends(postgres_url(database, DATABASE_VARIABLE) if database else None, queue or None)


def postgres_url(given: str, origin: str) -> str:
    """The address of a Postgres database with the driver that the server uses; `origin` names it in messages.

    Raises:
        BackendError: another kind of database, an address that cannot be read, or missing drivers.
    """
    url = _parsed(given, origin)
    if url.get_backend_name() != "postgresql" or not url.database:
        raise BackendError(f"{origin} must be postgresql+asyncpg://USER@HOST/DATABASE; without it, SQLite is used")
    if set(url.query) - _SHARED_PARAMETERS:
        raise BackendError(
            f"{origin} may not carry {', '.join(sorted(set(url.query) - _SHARED_PARAMETERS))}: the server uses two "
            "drivers that read different ones. For TLS, set PGSSLMODE and PGSSLROOTCERT, which both understand"
        )
    if "%" in given:
        raise BackendError(
            f"{origin} may not hold a %, which the server's schema migration cannot read: "
            "take another password, or give it in PGPASSWORD or ~/.pgpass"
        )
    if not all(importlib.util.find_spec(name) for name in ("asyncpg", "psycopg2")):
        raise BackendError("Postgres needs two drivers: pip install 'argilla-embedded[postgres]'")
    return url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


def _parsed(given: str, origin: str) -> URL:
    try:
        return make_url(given)
    except (ArgumentError, ValueError):
        # Without the cause: SQLAlchemy's message repeats the address, password included.
        raise BackendError(f"{origin} is no database address: postgresql+asyncpg://USER@HOST/DATABASE") from None


@contextmanager
def job_queue(home: Home, redis_url: str | None, port: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """The address of a queue that answers, and what to call every second to keep it alive.

    Raises:
        BackendError: the Redis named by the environment does not answer.
    """
    if redis_url is not None:
        _ping(redis_url)
        yield redis_url, lambda: None
        return
    valkey = Valkey(home.valkey, port, home.secret("valkey"))
    try:
        valkey.start()
        yield valkey.url, valkey.revive
    finally:
        valkey.stop()


def _ping(redis_url: str) -> None:
    timeout = _PING_TIMEOUT_SECONDS
    try:
        with closing(redis.from_url(redis_url, socket_timeout=timeout, socket_connect_timeout=timeout)) as client:
            client.ping()
    except redis.RedisError as error:
        raise BackendError(f"the Redis of {REDIS_VARIABLE} cannot be used: {error}") from error
    except ValueError:
        # Without the cause: its message may repeat a piece of the address.
        raise BackendError(f"{REDIS_VARIABLE} is no address: redis://:PASSWORD@HOST:PORT/NUMBER") from None
