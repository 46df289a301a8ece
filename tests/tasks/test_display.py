from __future__ import annotations

import threading
import time

import pytest

from tasks.display import Background
from tuneloop.errors import ServiceError


def test_the_newest_value_arrives_and_older_waiting_ones_are_dropped() -> None:
    seen: list[int] = []
    release = threading.Event()

    def send(value: int) -> None:
        release.wait(5)
        seen.append(value)

    with Background(send) as post:
        for value in range(50):
            post(value)
        time.sleep(0.05)
        post(99)
        release.set()
        time.sleep(0.2)
    assert seen[-1] == 99
    assert len(seen) <= 3


def test_a_sender_that_raises_does_not_stop_the_work() -> None:
    calls: list[int] = []

    def send(value: int) -> None:
        calls.append(value)
        raise ConnectionError("away")

    with Background(send) as post:
        post(1)
        time.sleep(0.1)
        post(2)
        time.sleep(0.1)
    assert calls == [1, 2]


def test_a_sender_that_hangs_does_not_hold_the_caller() -> None:
    forever = threading.Event()
    started = time.monotonic()
    with Background(lambda _: forever.wait(20)) as post:
        post(1)
        post(2)
    assert time.monotonic() - started < 10
    forever.set()


def test_the_last_value_is_sent_at_once_when_the_work_ends() -> None:
    seen: list[int] = []
    started = time.monotonic()
    with Background(seen.append, pause_seconds=60) as post:
        post(1)
        time.sleep(0.1)
        post(2)
        post(3)
    assert seen == [1, 3]
    assert time.monotonic() - started < 5


def test_values_that_come_within_the_pause_wait_for_its_end() -> None:
    seen: list[int] = []
    with Background(seen.append, pause_seconds=0.3) as post:
        for value in range(6):
            post(value)
            time.sleep(0.1)
        assert 2 <= len(seen) <= 3


def test_a_failure_is_reported_once_with_the_advice_of_our_own_errors_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def send(value: str) -> None:
        raise ServiceError("run `tuneloop up`") if value == "ours" else ValueError("a row's text")

    for value in ("ours", "theirs"):
        with Background(send, name="the curve") as post:
            for _ in range(3):
                post(value)
                time.sleep(0.05)
    assert caplog.messages == [
        "the curve cannot be shown at present, the work goes on: run `tuneloop up`",
        "the curve cannot be shown at present, the work goes on: ValueError",
    ]
