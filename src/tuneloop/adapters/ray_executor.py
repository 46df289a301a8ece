"""Chunks of rows on a Ray cluster, or on a Ray of this machine alone.

Ray and not Spark, because rows go through Python functions that load language models: Spark would pay for the way
between its JVM and Python with every chunk and needs Java. Ray and not datatrove, because datatrove wants every step
written as its own pipeline block and an older xxhash than the `datasets` library does.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from tuneloop.errors import ServiceError

A = TypeVar("A")
B = TypeVar("B")

WAITING_PER_CPU = 2


class RayExecutor:
    """An `Executor` on Ray.

    Args:
        address: of a running cluster (`auto` or `ray://host:port`), on whose machines tuneloop is installed; None:
            start Ray on this machine and stop it with this process. Its ports listen on all interfaces, which Ray
            (2.60) cannot be talked out of; we insist on its token, so nobody without it can use them.
        workers: CPUs to take when Ray is started here; None: all.

    Raises:
        ServiceError: Ray is not installed, or no cluster is at the address.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing about anybody's cluster goes out
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        try:
            import ray
        except ImportError as error:
            raise ServiceError("Ray is not installed: pip install 'tuneloop[cluster]'") from error
        self._ray: Any = ray
        if not ray.is_initialized():
            self._start(address, workers)

    def map(self, function: Callable[[A], B], chunks: Iterable[A]) -> Iterator[B]:
        work = self._ray.remote(_call)
        shared = self._ray.put(function)
        most = WAITING_PER_CPU * max(int(self._ray.cluster_resources().get("CPU", 1)), 1)
        waiting: deque[Any] = deque()
        for chunk in chunks:
            waiting.append(work.remote(shared, chunk))
            if len(waiting) > most:
                yield self._ray.get(waiting.popleft())
        while waiting:
            yield self._ray.get(waiting.popleft())

    def _start(self, address: str | None, workers: int | None) -> None:
        here = {"num_cpus": workers, "include_dashboard": False}
        try:
            self._ray.init(address=address, log_to_driver=False, **({} if address else here))
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ServiceError(f"no Ray cluster at {address or 'this machine'}: {error}") from error


def _call(function: Callable[[A], B], chunk: A) -> B:
    return function(chunk)
