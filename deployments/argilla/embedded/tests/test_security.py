"""What a stranger can reach, what the page may load, and what is written down where."""

import asyncio
import re
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from argilla_embedded.door import OPEN_TO_ALL
from argilla_embedded.page import PrivatePage
from jose import jwt
from running import OWNER, OWNER_KEY, Dataset, Server, publish, unique

ANY_ID = "00000000-0000-0000-0000-000000000000"
FOREIGN = re.compile(r"""(?:src|href)=["']?(?:https?:)?//|@import[^;]*//|url\(["']?(?:https?:)?//""")
SECRET_TEXT = "my number is 555-0100"


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the rows' place changes nothing here."""
    return embedded


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")


def test_a_stranger_reaches_nothing_but_the_door(server: Server) -> None:
    """Every method on every address of the API, whether it is described or not."""
    described = server.client().get("/openapi.json").json()["paths"]
    addresses = {f"/api/v1{re.sub('{.*?}', ANY_ID, path)}" for path in described}
    addresses |= {"/api", "/api/", "/api/v1", "/api/v1/", "/api/v1/openapi.json", "/api/v2/users", "/api/v1/no/such"}
    with httpx.Client(base_url=server.url) as stranger:
        open_to_all = {
            (method, path)
            for path in addresses
            for method in METHODS
            if stranger.request(method, path).status_code != 401
        }
    assert len(described) >= 50
    assert open_to_all == OPEN_TO_ALL


@pytest.mark.parametrize(
    "path", ["//api/v1/users", "/api//v1/users", "/x/../api/v1/users", "/API/v1/users", "/%61pi/v1/me"]
)
def test_no_other_spelling_of_an_address_gets_past_the_door(server: Server, path: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.split()[1] == b"401" or b"<!doctype html>" in answer.lower()  # the page, for whatever is no file


@pytest.mark.parametrize("method", [method for method in METHODS if method not in ("GET", "HEAD")])
@pytest.mark.parametrize("path", ["/", "/docs", "/openapi.json", "/share-your-progress", "/_nuxt/"])
def test_the_page_is_only_read(server: Server, method: str, path: str) -> None:
    assert httpx.request(method, server.url + path).status_code in (400, 405)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/share-your-progress"])
def test_what_would_describe_the_server_is_the_page(server: Server, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert (answer.status_code, answer.content) == (200, httpx.get(server.url).content)


def test_nobody_can_sign_up(server: Server) -> None:
    api = f"{server.url}/api/v1"
    assert httpx.get(f"{api}/oauth2/providers").json() == {"items": []}
    for step in ("authentication", "access-token"):
        assert httpx.get(f"{api}/oauth2/providers/huggingface/{step}").status_code == 401
    account = {"first_name": "x", "username": "first", "password": "a-long-password", "role": "owner"}
    assert httpx.post(f"{api}/users", json=account).status_code == 401


def test_an_annotator_makes_no_users_and_sees_nobodys_key(server: Server, dataset: Dataset) -> None:
    ann, bob = dataset.annotator(), dataset.annotator()
    key, api = ann.client.headers["X-Argilla-Api-Key"], f"{server.url}/api/v1"
    account = {"first_name": "x", "username": unique("made"), "password": "a-long-password", "role": "owner"}
    attempts = [("POST", "/users", account), ("GET", "/users", None), ("GET", f"/users/{bob.id}", None)]
    for method, path, body in [*attempts, ("PATCH", f"/users/{ann.id}", {"role": "owner"})]:
        answer = httpx.request(method, api + path, json=body, headers={"X-Argilla-Api-Key": key})
        assert answer.status_code == 403


def test_sessions_are_signed_with_the_secret_of_the_home(server: Server, tmp_path: Path) -> None:
    login = {"username": OWNER["ARGILLA_OWNER_USERNAME"], "password": OWNER["ARGILLA_OWNER_PASSWORD"]}
    answer = httpx.post(f"{server.url}/api/v1/token", data=login)
    token = answer.json()["access_token"]
    assert jwt.decode(token, (server.home / "auth.secret").read_text(), algorithms=["HS256"])["role"] == "owner"
    forged = jwt.encode({"username": "owner", "role": "owner"}, "", algorithm="HS256")
    headers = {"Authorization": f"Bearer {forged}"}
    assert httpx.get(f"{server.url}/api/v1/me", headers=headers).status_code == 401
    # No cookie but the one that the count of attempts knows a browser by; it is not sent elsewhere, and opens nothing.
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("argilla_known_browser=")
    assert {"HttpOnly", "Path=/api/v1/token", "SameSite=strict"} <= set(cookie.split("; "))


def test_passwords_are_kept_as_slow_hashes(embedded: Server) -> None:
    publish(embedded).annotator()
    with closing(sqlite3.connect(embedded.home / "argilla.db")) as database:
        hashes = [row[0] for row in database.execute("SELECT password_hash FROM users")]
    assert {value[:7] for value in hashes} == {"$2b$12$"}


@pytest.mark.parametrize("path", ["/", "/sign-in", "/api/v1/status", "/no/such/page", "/_nuxt/no-such-script.js"])
def test_every_answer_keeps_the_page_to_itself(server: Server, path: str) -> None:
    headers = httpx.get(server.url + path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy["script-src"]
    assert "http" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


def test_no_file_of_the_page_loads_anything_from_outside(server: Server) -> None:
    (statics,) = (server.home / "tmp").glob("*/statics")
    sheets = [file for file in statics.rglob("*") if file.suffix in (".css", ".html")]
    assert len(sheets) > 100
    assert [file.name for file in sheets if FOREIGN.search(file.read_text())] == []
    for page in ("/api/v1/docs", "/api/v1/redoc"):
        assert httpx.get(server.url + page, headers={"X-Argilla-Api-Key": OWNER_KEY}).status_code == 404


async def _page(scope: dict, receive: object, send: object) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", scope["kind"])]})


@pytest.mark.parametrize(
    ("kind", "custom_fields", "inline_scripts"),
    [(b"text/html; charset=utf-8", 1, 1), (b"text/html", 0, 0), (b"application/json", 1, 0)],
)
def test_inline_scripts_run_only_for_custom_fields(kind: bytes, custom_fields: int, inline_scripts: int) -> None:
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async def answer() -> bool:
        return bool(custom_fields)

    page = PrivatePage(_page, "'sha256-x'", answer)
    asyncio.run(page({"type": "http", "kind": kind}, None, send))
    policy = dict(sent[0]["headers"])[b"content-security-policy"]
    assert (b"'unsafe-inline' 'unsafe-eval'" in policy) == inline_scripts
    assert (b"'sha256-x'" in policy) != inline_scripts


def test_the_log_holds_neither_texts_nor_secrets(tmp_path: Path) -> None:
    server = Server(tmp_path / "logged").start()
    dataset = publish(server)
    dataset.log({"fields": {"prompt": SECRET_TEXT}})
    dataset.search(SECRET_TEXT)
    with closing(sqlite3.connect(server.home / "argilla.db")) as database, database:
        # Whatever upstream does next with a record fails, and it logs the error.
        database.execute("CREATE TRIGGER failing BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'broken'); END")
    url = f"{server.url}/api/v1/datasets/{dataset.id}/records/bulk"
    body = {"items": [{"fields": {"prompt": SECRET_TEXT}}]}
    assert httpx.post(url, json=body, headers=dataset.client.headers).status_code == 500
    server.end()
    output = "".join(server.log)
    assert "broken" in output
    for secret in (SECRET_TEXT, OWNER["ARGILLA_OWNER_PASSWORD"], OWNER["ARGILLA_OWNER_API_KEY"]):
        assert secret not in output
    for name in ("auth", "valkey"):
        assert (server.home / f"{name}.secret").read_text() not in output
