"""A new password ends what the old one opened: sessions and the API key, at once."""

from pathlib import Path

import httpx
import pytest
from jose import jwt
from running import OWNER, Annotator, Dataset, Server, unique

NEW_PASSWORD = "another-long-password"


def _session(server: Server, username: str, password: str) -> dict[str, str]:
    answer = httpx.post(f"{server.url}/api/v1/token", data={"username": username, "password": password}, timeout=60)
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def _who(server: Server, headers: dict[str, str]) -> str | None:
    answer = httpx.get(f"{server.url}/api/v1/me", headers=headers)
    return answer.json()["username"] if answer.status_code == 200 else None


def _key(person: Annotator) -> dict[str, str]:
    return {"X-Argilla-Api-Key": person.client.headers["X-Argilla-Api-Key"]}


def test_a_new_password_ends_sessions_and_the_api_key(server: Server, dataset: Dataset) -> None:
    ann, bob = dataset.annotator(), dataset.annotator()
    session, bobs = _session(server, ann.username, "a-long-password"), _session(server, bob.username, "a-long-password")
    assert _who(server, session) == _who(server, _key(ann)) == ann.username
    changed = dataset.client.patch(f"/users/{ann.id}", json={"password": NEW_PASSWORD}).json()
    assert _who(server, session) is None
    assert _who(server, _key(ann)) is None
    assert _who(server, {"X-Argilla-Api-Key": changed["api_key"]}) == ann.username
    assert _who(server, _session(server, ann.username, NEW_PASSWORD)) == ann.username
    assert _who(server, bobs) == _who(server, _key(bob)) == bob.username


def test_the_same_password_again_ends_them_too(server: Server, dataset: Dataset) -> None:
    ann = dataset.annotator()
    session = _session(server, ann.username, "a-long-password")
    dataset.client.patch(f"/users/{ann.id}", json={"password": "a-long-password"})
    assert _who(server, session) is _who(server, _key(ann)) is None


def test_other_changes_end_nothing(server: Server, dataset: Dataset) -> None:
    ann = dataset.annotator()
    session = _session(server, ann.username, "a-long-password")
    dataset.client.patch(f"/users/{ann.id}", json={"first_name": "Ann", "role": "admin"})
    assert _who(server, session) == _who(server, _key(ann)) == ann.username


def test_an_account_made_again_under_a_name_does_not_inherit_sessions(server: Server, dataset: Dataset) -> None:
    account = {"first_name": "x", "username": unique("again"), "password": "a-long-password", "role": "annotator"}
    first = dataset.client.post("/users", json=account).json()
    session = _session(server, account["username"], account["password"])
    dataset.client.delete(f"/users/{first['id']}")
    assert _who(server, session) is None
    dataset.client.post("/users", json=account)
    assert _who(server, session) is None


@pytest.mark.parametrize("claims", [{}, {"password_fingerprint": ""}, {"password_fingerprint": None}])
def test_a_session_without_a_fingerprint_is_none(embedded: Server, claims: dict) -> None:
    """Such were signed before: an upgrade ends them."""
    secret = (embedded.home / "auth.secret").read_text()
    token = jwt.encode({"username": "owner", "role": "owner", **claims}, secret, algorithm="HS256")
    assert _who(embedded, {"Authorization": f"Bearer {token}"}) is None


@pytest.mark.parametrize("header", ["Bearer", "Bearer a.b.c", "bearer \xff\xfe", "Basic eDp5", "\xff"])
def test_what_is_no_session_is_refused(embedded: Server, header: str) -> None:
    answer = httpx.get(f"{embedded.url}/api/v1/me", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code in (400, 401)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "rotated"


def _serve(home: Path, **owner: str) -> Server:
    given = {f"ARGILLA_OWNER_{name.upper()}": value for name, value in owner.items()}
    return Server(home, environment={name: value for name, value in (OWNER | given).items() if value}).start()


def test_an_owners_new_password_ends_their_sessions_with_the_next_start(home: Path) -> None:
    server = _serve(home)
    session = _session(server, "owner", OWNER["ARGILLA_OWNER_PASSWORD"])
    server.end()
    server = _serve(home)
    assert _who(server, session) == "owner"  # a start alone ends nothing
    server.end()
    server = _serve(home, password=NEW_PASSWORD, api_key="")
    assert _who(server, session) is None
    assert _who(server, {"X-Argilla-Api-Key": OWNER["ARGILLA_OWNER_API_KEY"]}) is None
    assert _who(server, _session(server, "owner", NEW_PASSWORD)) == "owner"
    server.end()
