import pytest

from tests.tuneloop.adapters.argilla_server import running_argilla


@pytest.fixture(scope="session")
def url(tmp_path_factory):
    """One Argilla server for all live tests of this folder; each uses review sets and people of its own."""
    with running_argilla(tmp_path_factory.mktemp("argilla")) as address:
        yield address
