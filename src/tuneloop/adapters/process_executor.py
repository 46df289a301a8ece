"""Chunks of rows in processes beside this one: all cores of one machine."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

WAITING_PER_WORKER = 2


class ProcessExecutor:
    """An `Executor` of `workers` processes. They are started anew (not forked: this process has threads)."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        context = multiprocessing.get_context("spawn")
        waiting: deque[Future[B]] = deque()
        with ProcessPoolExecutor(self.workers, mp_context=context) as pool:
            for chunk in chunks:
                waiting.append(pool.submit(function, chunk))
                if len(waiting) > self.workers * WAITING_PER_WORKER:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
