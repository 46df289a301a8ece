from __future__ import annotations

import asyncio
import base64
from urllib.parse import unquote

import httpx
import pytest

from tuneloop.stack.access_control import WEBSOCKET, AccessControl, route

LOGIN = "tuneloop:a-secret"
HERE = "http://127.0.0.1:20002"
ROUTES = (
    route("GET", "/health", public=True),
    route("GET POST", "/api/runs/[a-z]+", max_body_bytes=10),
    route("PUT", "/api/files/.+", max_body_bytes=None),
    route(WEBSOCKET, "/api/news", public=True),
)


async def everything(scope, receive, send):
    """An application that answers whatever reaches it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


def guarded(*, asks_in_browser=True):
    return AccessControl(everything, login=LOGIN, routes=ROUTES, origins=[HERE], asks_in_browser=asks_in_browser)


async def ask(method, path, *, login=LOGIN, headers=None, content=None):
    auth = tuple(login.split(":")) if login else None
    async with httpx.AsyncClient(transport=httpx.ASGITransport(guarded()), base_url=HERE, auth=auth) as client:
        return await client.request(method, path, headers=headers, content=content)


@pytest.fixture
def asked():
    """Asks and returns the answer."""

    def asking(method, path, **options):
        return asyncio.run(ask(method, path, **options))

    return asking


def test_with_the_login_a_listed_route_is_answered(asked):
    answer = asked("GET", "/api/runs/search")
    assert (answer.status_code, answer.text) == (200, "/api/runs/search")
    assert asked("POST", "/api/runs/search").status_code == 200


@pytest.mark.parametrize("login", [None, "tuneloop:wrong", "other:a-secret", "tuneloop:a-secret ", "tuneloop:A-SECRET"])
def test_without_the_right_login_every_route_asks_for_it_listed_or_not(asked, login):
    for path in ("/api/runs/search", "/api/assistant", "/"):
        answer = asked("GET", path, login=login)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic ")
        assert "a-secret" not in answer.text


def test_a_page_with_a_login_of_its_own_makes_no_browser_ask():
    async def asking():
        transport = httpx.ASGITransport(guarded(asks_in_browser=False))
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            return await client.get("/api/runs/search")

    assert "www-authenticate" not in asyncio.run(asking()).headers


@pytest.mark.parametrize("value", ["", "Basic", "Basic ", "Basic !!!", "Bearer x", "Basic dHVuZWxvb3A=", "Basic \xff"])
def test_a_login_that_is_none_is_refused(asked, value):
    assert (
        asked("GET", "/api/runs/x", login=None, headers={"authorization": value.encode("latin-1")}).status_code == 401
    )


def test_the_scheme_may_be_written_in_any_case(asked):
    token = base64.b64encode(LOGIN.encode()).decode()
    assert asked("GET", "/api/runs/x", login=None, headers={"authorization": f"basic {token}"}).status_code == 200


@pytest.mark.parametrize("login", ["", ":", "user", "user:", ":password"])
def test_there_is_no_server_without_a_login(login):
    with pytest.raises(ValueError, match="user:password"):
        AccessControl(everything, login=login, routes=ROUTES, origins=[], asks_in_browser=True)


def test_what_is_public_needs_no_login_and_is_nothing_else(asked):
    assert asked("GET", "/health", login=None).status_code == 200
    assert asked("HEAD", "/health", login=None).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert asked(method, "/health", login=None).status_code == 401
    for path in ("/health/", "/healthy", "/Health", "/api/runs/health", "/health%0a", "/health%00", "/health;x"):
        assert asked("GET", path, login=None).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", WEBSOCKET])
def test_a_method_that_is_not_listed_does_not_exist(asked, method):
    assert asked(method, "/api/runs/search").status_code == 404


def test_head_is_what_get_is(asked):
    assert asked("HEAD", "/api/runs/search").status_code == 200
    assert asked("HEAD", "/api/files/x").status_code == 404


def test_no_http_request_passes_as_a_websocket(asked):
    assert asked(WEBSOCKET, "/api/news", login=None).status_code == 401


TRICKS = (
    "/api/assistant",
    "//api/runs/search",
    "/api//runs/search",
    "/api/runs/search/",
    "/api/runs/search%2f",
    "/api/./runs/search",
    "/api/%2e/runs/search",
    "/api/x/%2e%2e/runs/search",
    "/api/files/../assistant",
    "/api/files/%2e%2e/assistant",
    "/api/files/%2E%2E",
    "/api/files/x/%2e%2e%2fassistant",
    "/api/files/%252e%252e/assistant",
    "/api/files/x%5c..%5cassistant",
    "/api/files/x;y",
    "/api/files/x%3by",
    "/api/files/x%0d%0ay",
    "/api/files/x%00",
    "/API/runs/search",
    "/api/Runs/search",
    "/api/runs/searcH",
    "/api/runs/search;jsessionid=1",
    "/api/runs/search%0a",
    "/api/runs/%73earch%20",
    "/health/../api/assistant",
)


def status_of(method, path, *headers):
    """As a web server hands it over: httpx would tidy up dots and slashes first."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(), "headers": headers}
    asyncio.run(guarded()(scope, None, send))
    return sent[0]["status"]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_path_that_could_be_read_in_two_ways_leads_nowhere(method, path):
    assert status_of(method, path) == 401
    assert status_of(method, path, (b"authorization", b"Basic " + base64.b64encode(LOGIN.encode()))) == 404


def test_ordinary_names_may_be_encoded(asked):
    assert asked("GET", "/api/runs/%73earch").status_code == 200
    assert asked("PUT", "/api/files/K%C3%B6ln%20%26%20Bonn..txt").status_code == 200


@pytest.mark.parametrize("name", ["authorization", "origin", "sec-fetch-site", "host", "content-length"])
def test_a_header_that_decides_may_not_be_there_twice(asked, name):
    token = base64.b64encode(LOGIN.encode())
    both = [(name.encode(), b"x"), (name.title().encode(), b"y"), (b"authorization", b"Basic " + token)]
    assert asked("GET", "/api/runs/x", login=None, headers=both).status_code == 400


FROM_ELSEWHERE = (
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:9999"},  # a neighbour's page on this machine
    {"origin": "http://localhost:20002.evil.example"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
    {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors", "sec-fetch-dest": "empty"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "iframe"},
    {"sec-fetch-site": "anything-new"},
)


@pytest.mark.parametrize("headers", FROM_ELSEWHERE)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_page_of_another_site_cannot_use_the_login_that_a_browser_remembers(asked, method, headers):
    assert asked(method, "/api/runs/search", headers=headers).status_code == 403


def test_a_form_that_another_site_submits_is_refused_although_it_navigates(asked):
    headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert asked("POST", "/api/runs/search", headers=headers).status_code == 403
    assert asked("GET", "/api/runs/search", headers=headers).status_code == 200, "a link may be followed"


def test_its_own_pages_may_ask(asked):
    headers = {"origin": HERE, "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert asked("POST", "/api/runs/search", headers=headers).status_code == 200


def test_a_body_has_to_tell_its_length_and_to_be_short_where_it_is_held_in_memory(asked):
    assert asked("POST", "/api/runs/x", content=b"0123456789").status_code == 200
    assert asked("POST", "/api/runs/x", content=b"0123456789a").status_code == 413
    assert asked("POST", "/api/runs/x", headers={"content-length": "-1"}).status_code == 413
    assert asked("PUT", "/api/files/x", content=b"0123456789a").status_code == 200

    async def parts():
        yield b"x"

    assert asked("POST", "/api/runs/x", content=parts()).status_code == 411
    assert asked("PUT", "/api/files/x", content=parts()).status_code == 200


def test_what_is_public_takes_no_body_that_a_stranger_could_fill_the_memory_with(asked):
    for method in ("GET", "HEAD"):
        assert asked(method, "/health", login=None, content=b"x").status_code == 413
        assert asked(method, "/health", login=None, headers={"transfer-encoding": "chunked"}).status_code == 411
        assert asked(method, "/health", login=None, headers={"content-length": "0"}).status_code == 200


def websocket(path, headers=()):
    """What the application behind was asked for, and what was sent instead."""
    reached, sent = [], []

    async def application(scope, receive, send):
        reached.append(scope["path"])

    async def send(message):
        sent.append(message)

    app = AccessControl(application, login=LOGIN, routes=ROUTES, origins=[HERE], asks_in_browser=True)
    asyncio.run(app({"type": "websocket", "path": path, "headers": list(headers)}, None, send))
    return reached, sent


def test_a_websocket_is_let_through_where_one_is_listed_and_nowhere_else():
    assert websocket("/api/news") == (["/api/news"], [])
    token = base64.b64encode(LOGIN.encode())
    for path in ("/api/runs/x", "/health", "/api/news/", "//api/news"):
        for headers in ((), [(b"authorization", b"Basic " + token)]):
            assert websocket(path, headers) == ([], [{"type": "websocket.close", "code": 1008}])


def test_starting_and_stopping_pass():
    reached = []

    async def application(scope, receive, send):
        reached.append(scope["type"])

    app = AccessControl(application, login=LOGIN, routes=(), origins=[], asks_in_browser=True)
    asyncio.run(app({"type": "lifespan"}, None, None))
    assert reached == ["lifespan"]


def test_a_refusal_is_logged_without_the_login_and_in_one_short_line(asked, caplog):
    asked("GET", f"/api/{'x' * 5000}%0aforged", login="tuneloop:guessed-secret")
    (record,) = caplog.records
    assert len(record.getMessage()) < 300
    assert "guessed" not in record.getMessage()
    assert "\n" not in record.getMessage()
