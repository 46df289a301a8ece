from __future__ import annotations

import threading
import time

from tasks.progress import Background


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
