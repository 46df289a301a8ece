"""Servers for all tests that can share them."""

import os
import tempfile
from collections.abc import Iterator

import pytest
from postgres import Cluster, running_cluster, running_redis
from running import OWNER, Dataset, Server, publish

# Importing argilla_server makes a home and copies its web page to the temporary folder: not where this user has theirs.
with tempfile.TemporaryDirectory() as scratch:
    os.environ["ARGILLA_HOME_PATH"] = tempfile.tempdir = scratch
    import argilla_server  # noqa: F401
tempfile.tempdir = None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server as it comes: everything in its home."""
    server = Server(tmp_path_factory.mktemp("shared home")).start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def on_postgres(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same with its rows in Postgres and its jobs in a Redis of somebody else's."""
    with running_redis(tmp_path_factory.mktemp("redis")) as redis_url:
        backends = {"ARGILLA_DATABASE_URL": cluster.new_database(), "ARGILLA_REDIS_URL": redis_url}
        server = Server(tmp_path_factory.mktemp("postgres home"), environment=OWNER | backends).start()
        yield server
        server.end()


@pytest.fixture(scope="session", params=["embedded", "on_postgres"])
def server(request: pytest.FixtureRequest) -> Server:
    """Either: what a user sees may not depend on where the rows are."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def dataset(server: Server) -> Dataset:
    return publish(server)
