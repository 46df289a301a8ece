"""Guessing passwords is slow, and nobody is kept out by a stranger who guesses in their name."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from argilla_embedded.login_attempts import Allowances, Attempts
from running import OWNER, Server

OWNERS = {"username": OWNER["ARGILLA_OWNER_USERNAME"], "password": OWNER["ARGILLA_OWNER_PASSWORD"]}
HERE, THERE = "127.0.0.1", "192.0.2.7"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    limits = {"by_name": (3, 10), "by_browser": (3, 10), "by_address": (6, 1)}
    return Attempts("secret", **{name: Allowances(*limit, clock) for name, limit in limits.items()})


def _take(
    attempts: Attempts, count: int, username: str = "ann", address: str = HERE, cookie: str | None = None
) -> list:
    return [attempts.take(username, address, cookie) for _ in range(count)]


def test_after_a_burst_one_waits_and_then_may_try_once_more(attempts: Attempts, clock: Clock) -> None:
    assert _take(attempts, 4) == [0, 0, 0, 10]
    clock.now += 4
    assert _take(attempts, 1) == [6]
    clock.now += 6
    assert _take(attempts, 2) == [0, 10]
    clock.now += 1_000
    assert _take(attempts, 4) == [0, 0, 0, 10]


def test_names_are_counted_apart_and_an_address_over_all_names(attempts: Attempts) -> None:
    assert [_take(attempts, 2, username) for username in ("ann", "bob", "cat")] == [[0, 0]] * 3
    assert _take(attempts, 1, "dan") == [1]
    assert _take(attempts, 1, "dan", THERE) == [0]


def test_a_name_is_counted_over_all_addresses(attempts: Attempts) -> None:
    assert _take(attempts, 3) == [0, 0, 0]
    assert _take(attempts, 1, address=THERE) == [10]


def test_success_does_not_count(attempts: Attempts) -> None:
    for _ in range(20):
        assert _take(attempts, 1) == [0]
        attempts.give_back("ann", HERE, None)


def test_a_browser_that_is_known_is_not_kept_out_by_a_stranger(attempts: Attempts) -> None:
    cookie = attempts.cookie_for("ann")
    _take(attempts, 50)
    assert _take(attempts, 1) != [0]
    assert _take(attempts, 4, cookie=cookie) == [0, 0, 0, 10]


def test_a_cookie_helps_nobody_else(attempts: Attempts) -> None:
    _take(attempts, 3, "bob")
    for cookie in (attempts.cookie_for("ann"), "invented.0123", ".", "x", "", Attempts("other").cookie_for("bob")):
        assert _take(attempts, 1, "bob", cookie=cookie) != [0]


def test_names_that_nobody_has_do_not_fill_the_memory(clock: Clock) -> None:
    allowances = Allowances(5, 30, clock)
    for number in range(5_000):
        allowances.take(f"name {number}")
        clock.now += 1
    assert len(allowances._full_at) < 1_100


@pytest.fixture
def own_server(tmp_path: Path) -> Server:
    """Attempts that are used up here are missing elsewhere."""
    server = Server(tmp_path / "home").start()
    yield server
    server.end()


def _log_in(server: Server, client: httpx.Client | None = None, **account: str) -> httpx.Response:
    return (client or httpx).post(f"{server.url}/api/v1/token", data=OWNERS | account, timeout=60)


def test_a_guesser_is_told_to_wait_while_the_owner_gets_in(own_server: Server) -> None:
    with httpx.Client() as browser:
        assert _log_in(own_server, browser).status_code == 201
        wrong = [_log_in(own_server, password=f"wrong {number}") for number in range(7)]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429] * 2
        assert 0 < int(wrong[-1].headers["Retry-After"]) <= 30
        assert _log_in(own_server).status_code == 429  # even with the right password: nothing was tried
        assert _log_in(own_server, browser).status_code == 201
    assert own_server.client().get("/me").json()["username"] == "owner"
    unknown = [_log_in(own_server, username="nobody", password="wrong") for _ in range(7)]
    assert [(one.status_code, one.json()) for one in unknown[:5]] == [(401, wrong[0].json())] * 5
    assert unknown[-1].status_code == 429
    spoofed = {"X-Forwarded-For": "192.0.2.1", "Forwarded": "for=192.0.2.1"}
    answer = httpx.post(f"{own_server.url}/api/v1/token", data=OWNERS, headers=spoofed, timeout=60)
    assert answer.status_code == 429


def test_passwords_are_tried_beside_everything_else(own_server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        names = [f"stranger {number}" for number in range(20)]
        tries = [pool.submit(_log_in, own_server, username=name, password="wrong") for name in names]
        time.sleep(0.2)
        started = time.monotonic()
        assert httpx.get(f"{own_server.url}/api/v1/version").status_code == 200
        waited = time.monotonic() - started
        still_tried = sum(not one.done() for one in tries)
    assert still_tried > 5
    assert waited < 1.5


@pytest.mark.parametrize("password", ["", "x\0y", "x" * 5_000, "\U0001f600" * 30])
def test_an_odd_password_is_a_wrong_one(own_server: Server, password: str) -> None:
    assert _log_in(own_server, username="odd", password=password).status_code in (401, 422)
