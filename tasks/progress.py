"""Live progress in the Prefect UI that can neither block nor fail the work it reports on."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)


class Background(Generic[T]):
    """Hands the newest value to `send` on a daemon thread; one that comes while it is busy replaces the waiting one.

    The API may be slow or away for minutes (a server restart); training goes on regardless.
    """

    def __init__(self, send: Callable[[T], None]) -> None:
        self._send = send
        self._waiting: queue.Queue[T | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._work, name="progress", daemon=True)

    def __enter__(self) -> Callable[[T], None]:
        self._thread.start()
        return self._put

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put(None)
        self._thread.join(timeout=5)

    def _put(self, value: T | None) -> None:
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
                logger.warning("progress was not shown: %s", type(error).__name__)
