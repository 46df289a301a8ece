"""A request costs the server little before it is known whose it is, and no more than it should after that."""

import asyncio
import json
import socket
import time
from http import HTTPStatus

import httpx
import psutil
import pytest
from argilla_embedded import limits
from argilla_embedded.punctual import HEADERS_SECONDS
from running import Server, publish

RANGES = {
    "digits without a dash": "9" * 30_000,
    "a hole after each byte": ",".join(f"{2 * n}-{2 * n}" for n in range(2_000)),
    "backwards": ",".join(f"{2 * n}-{2 * n}" for n in range(2_000, 0, -1)),
    "a number of many digits": "1" * 5_000 + "-",
}
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(embedded: Server) -> Server:
    """One of the two is enough: the rows' place changes nothing here."""
    return embedded


def _script(server: Server) -> tuple[str, int]:
    """The page's largest file and its size: the more there is, the more can be asked for in pieces."""
    (statics,) = (server.home / "tmp").glob("*/statics")
    file = max(statics.rglob("*.js"), key=lambda one: one.stat().st_size)
    return f"{server.url}/{file.relative_to(statics)}", file.stat().st_size


@pytest.mark.parametrize("ranges", list(RANGES.values()), ids=list(RANGES))
def test_many_ranges_in_one_header_are_ignored_at_once(server: Server, ranges: str) -> None:
    url, size = _script(server)
    started = time.monotonic()
    headers = {"Range": f"bytes={ranges}", "Accept-Encoding": "identity"}
    answer = httpx.get(url, headers=headers, timeout=60)
    assert (answer.status_code, len(answer.content)) == (200, size)
    assert time.monotonic() - started < 3


def test_one_range_is_served(server: Server) -> None:
    url, size = _script(server)
    for asked, length in (("bytes=10-19", 10), ("bytes=-7", 7), (f"bytes={size - 3}-", 3)):
        answer = httpx.get(url, headers={"Range": asked, "Accept-Encoding": "identity"})
        assert (answer.status_code, len(answer.content)) == (206, length)


@pytest.mark.parametrize("count", [1, 1_000])
def test_headers_longer_than_any_browsers_are_refused(server: Server, count: int) -> None:
    headers = {f"X-Filler-{number}": "x" * (60_000 // count) for number in range(count)}
    assert httpx.get(server.url, headers=headers).status_code in (400, 431)


def _send_headers(connection: socket.socket, count: int) -> None:
    for _ in range(count):
        connection.sendall(b"X-Filler: " + b"x" * 100_000 + b"\r\n")
        time.sleep(0.001)


def test_headers_without_an_end_do_not_fill_the_memory(server: Server) -> None:
    before = psutil.Process(server.process.pid).memory_info().rss
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(OSError):  # noqa: PT011  reset or broken pipe, as it comes
            _send_headers(connection, 200)
    assert psutil.Process(server.process.pid).memory_info().rss - before < 16 * MEGABYTE


def test_a_connection_that_says_nothing_or_little_is_closed(server: Server) -> None:
    silent, slow = (socket.create_connection(("127.0.0.1", server.port)) for _ in range(2))
    slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Never:")
    assert httpx.get(f"{server.url}/api/v1/version").status_code == 200
    for connection in (silent, slow):
        connection.settimeout(HEADERS_SECONDS + 10)
        assert connection.recv(1) == b""
        connection.close()


@pytest.mark.parametrize("path", ["users", "datasets", "me/responses/bulk", "token"])
def test_a_stranger_is_refused_before_the_body_is_sent(server: Server, path: str) -> None:
    announced = f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {10 * MEGABYTE}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.settimeout(10)
        connection.sendall(announced.encode())
        status = int(connection.recv(1000).split()[1])
    assert status == (413 if path == "token" else 401)


@pytest.mark.parametrize("path", ["/api/v1/token", "/", "/no/such/page"])
def test_a_strangers_body_without_a_length_is_cut_off(server: Server, path: str) -> None:
    def endless():
        for _ in range(1_000):
            yield b"x" * 10_000

    try:
        status = httpx.post(server.url + path, content=endless()).status_code
    except httpx.WriteError:  # the answer came before the last piece was sent
        return
    assert status == 413


@pytest.mark.parametrize(("role", "allowance"), [("annotator", limits.ANNOTATOR), ("admin", limits.EDITOR)])
def test_a_users_body_has_a_limit_as_well(server: Server, role: str, allowance: limits.Allowance) -> None:
    dataset = publish(server)
    person = dataset.annotator() if role == "annotator" else dataset.admin()
    key, path = person.client.headers["X-Argilla-Api-Key"], "/api/v1/me/responses/bulk"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nX-Argilla-Api-Key: {key}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(f"{head}Content-Length: {allowance.body_bytes + 1}\r\n\r\n".encode())
        assert int(connection.recv(1000).split()[1]) == 413
    body = b" " * (allowance.body_bytes - 2) + b"{}"
    answer = httpx.post(server.url + path, content=body, headers={"X-Argilla-Api-Key": key}, timeout=60)
    assert answer.status_code == 422


def test_a_bulk_with_pictures_is_taken(server: Server) -> None:
    picture = "data:image/png;base64," + "A" * (8 * MEGABYTE)
    assert publish(server).log({"fields": {"prompt": picture}})


@pytest.mark.parametrize("opened", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [101, 900, 5_000, 1_000_000])
def test_a_deep_body_is_the_callers_mistake(server: Server, opened: str, depth: int) -> None:
    dataset = publish(server)
    closed = {"[": "]", '{"a":': "}"}[opened]
    body = f'{{"items": [{{"fields": {{"prompt": "x", "history": {opened * depth}1{closed * depth}}}}}]}}'
    answer = httpx.post(
        f"{server.url}/api/v1/datasets/{dataset.id}/records/bulk", content=body, headers=dataset.client.headers
    )
    assert answer.status_code == 422


def test_brackets_in_texts_are_no_depth(server: Server) -> None:
    dataset = publish(server)
    text = '"[{\\' * 1_000
    dataset.log({"external_id": "brackets", "fields": {"prompt": text}})
    assert dataset.search().items[0]["record"]["fields"]["prompt"] == text


def _read(pieces: list[bytes], allowance: limits.Allowance, pause: float = 0) -> bytes | None:
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> dict:
        await asyncio.sleep(pause)
        return messages.pop(0)

    return asyncio.run(limits.read_body(receive, [], allowance))


def test_a_body_that_trickles_in_is_given_up() -> None:
    with pytest.raises(limits.RefusedError) as refused:
        _read([b"x"] * 100, limits.Allowance(body_bytes=1_000, seconds=0.1), pause=0.02)
    assert refused.value.status == HTTPStatus.REQUEST_TIMEOUT


def test_a_body_is_counted_whatever_was_announced() -> None:
    with pytest.raises(limits.RefusedError) as refused:
        _read([b"x" * 600] * 2, limits.Allowance(body_bytes=1_000, seconds=5))
    assert refused.value.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert _read([b"x" * 500] * 2, limits.Allowance(body_bytes=1_000, seconds=5)) == b"x" * 1_000


@pytest.mark.parametrize("depth", [1, 50, 100])
def test_what_is_nested_like_anything_real_is_read(depth: int) -> None:
    body = (
        json.dumps({"text": "]" * 500 + "[" * 500}).encode()[:-1] + b', "x": ' + b"[" * (depth - 1) + b"]" * (depth - 1)
    )
    assert _read([body + b"}"], limits.EDITOR) == body + b"}"
