"""Live progress that can neither block nor fail the work it reports on."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, TypeVar

from tuneloop.errors import TuneloopError

T = TypeVar("T")
CLOSING_SECONDS = 5.0


class Background(Generic[T]):
    """Hands the newest value to `send` on a daemon thread; one that comes while it is busy replaces the waiting one.

    The receiver may be slow or away for minutes (a server restart); the work goes on regardless. The first failure
    is logged, and then no more until something was sent again. The last value is sent at the end.

    Args:
        send: called on the thread, with one value at a time.
        name: of what is sent, for the log.
        pause_seconds: at least so much time passes between two calls, but not before the last.
        log: where failures go; by default this module's logger.
    """

    def __init__(
        self, send: Callable[[T], None], *, name: str = "progress", pause_seconds: float = 0.0, log: Any = None
    ) -> None:
        self._send = send
        self._name = name
        self._pause_seconds = pause_seconds
        self._log = log or logging.getLogger(__name__)
        self._waiting: queue.Queue[T | None] = queue.Queue(maxsize=1)
        self._closing = threading.Event()
        self._failing = False
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def __enter__(self) -> Callable[[T], None]:
        self._thread.start()
        return self._put

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        deadline = time.monotonic() + CLOSING_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            try:
                self._waiting.put(None, timeout=0.05)  # behind the last value, not in its place
            except queue.Full:
                continue
            self._thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _put(self, value: T) -> None:
        while True:
            try:
                self._waiting.put_nowait(value)
            except queue.Full:
                try:
                    self._waiting.get_nowait()
                except queue.Empty:
                    continue
            else:
                return

    def _work(self) -> None:
        while (value := self._waiting.get()) is not None:
            try:
                self._send(value)
            except Exception as error:  # noqa: BLE001 - the edge of a thread: progress is never worth a training run
                if not self._failing:
                    # Other people's errors may quote what they were sent.
                    text = str(error) if isinstance(error, TuneloopError) else type(error).__name__
                    self._log.warning("%s cannot be shown at present, the work goes on: %s", self._name, text)
                self._failing = True
            else:
                self._failing = False
            self._closing.wait(self._pause_seconds)
