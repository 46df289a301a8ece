"""One server for all tests that can share it."""

from collections.abc import Iterator

import pytest
from running import Dataset, Server, publish


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shared home")).start()
    yield server
    server.end()


@pytest.fixture
def dataset(server: Server) -> Dataset:
    return publish(server)
