"""A Postgres cluster of our own in a temporary folder, and a Redis beside it, for tests that need real ones."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg2
import pytest
from argilla_embedded.valkey import Valkey

_INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
_names = count()


@dataclass(frozen=True)
class Cluster:
    """A running cluster that trusts every connection from this machine."""

    folder: Path
    port: int
    programs: Path

    def new_database(self, template: str = "template1") -> str:
        """Make a database, return its address."""
        name = f"argilla_{next(_names)}"
        self.execute(self.url("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://argilla@127.0.0.1:{self.port}/{database}"

    def execute(self, url: str, statement: str) -> None:
        connection = psycopg2.connect(libpq(url))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
        connection.close()

    def control(self, *arguments: str) -> None:
        _as_nobody_special([self.programs / "pg_ctl", "-D", self.folder / "data", "-w", *arguments])


def libpq(url: str) -> str:
    return url.replace("+asyncpg", "")


def rows(url: str, query: str) -> list[tuple]:
    connection = psycopg2.connect(libpq(url))
    with connection.cursor() as cursor:
        cursor.execute(query)
        found = cursor.fetchall()
    connection.close()
    return found


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Start a cluster on a free port; the test is skipped where no Postgres is installed."""
    programs = _INSTALLED[0] if _INSTALLED else Path(shutil.which("initdb") or "/nowhere").resolve().parent
    if not (programs / "initdb").exists():
        pytest.skip("no Postgres on this machine (initdb was not found)")
    # Not under pytest's own folder: Postgres refuses to run as root, and the other user may not look in there.
    with tempfile.TemporaryDirectory(prefix="argilla-postgres-") as folder:
        if os.getuid() == 0:
            shutil.chown(folder, "postgres")
        cluster = Cluster(Path(folder), free_port(), programs)
        data = cluster.folder / "data"
        _as_nobody_special([programs / "initdb", "-D", data, "-U", "argilla", "-A", "trust", "-E", "UTF8", "--no-sync"])
        # Commits are not flushed: the tests kill our processes, never the machine.
        settings = f"-p {cluster.port} -h 127.0.0.1 -k {folder} -F"
        cluster.control("-l", str(cluster.folder / "log"), "-o", settings, "start")
        try:
            yield cluster
        finally:
            cluster.control("-m", "immediate", "stop")


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """A queue server that is not the embedded server's child; its address, password included."""
    server = Valkey(folder, free_port(), "a-password")
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _as_nobody_special(command: Sequence[object]) -> None:
    user = {"user": "postgres", "group": "postgres", "cwd": "/"} if os.getuid() == 0 else {}
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, **user)
