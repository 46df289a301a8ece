"""Argilla's background jobs (record status, webhooks, hub transfer), run in threads of the server process."""

import logging
import threading
from collections.abc import Callable

import redis
from rq import Queue, SimpleWorker
from rq.exceptions import DequeueTimeout
from rq.scheduler import RQScheduler
from rq.timeouts import TimerDeathPenalty

_LOGGER = logging.getLogger(__name__)
_POLL_SECONDS = 1


class ThreadWorker(SimpleWorker):
    """Performs jobs in a thread: no fork, which would inherit the listening socket, and no signal handlers."""

    death_penalty_class = TimerDeathPenalty  # type: ignore[assignment]


class JobRunner:
    """Two threads: one performs jobs, one moves jobs that wait for a retry back to their queue.

    rq's own loop installs signal handlers and sleeps for minutes in Redis, so it can neither live in a thread nor stop
    quickly; the few lines it is made of are repeated here.
    """

    def __init__(self, queues: list[Queue], connection: redis.Redis, on_tick: Callable[[], None]) -> None:
        self._queues = queues
        self._connection = connection
        self._on_tick = on_tick
        self._stopping = threading.Event()
        self._worker = ThreadWorker(queues, connection=connection)
        self._scheduler = RQScheduler(queues, connection=connection, logging_level=logging.WARNING)
        self._threads = [
            threading.Thread(target=self._repeat, args=(step,), name=step.__name__, daemon=True)
            for step in (self._perform_next, self._tick)
        ]

    def start(self) -> None:
        self._requeue_interrupted()
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float = 3) -> None:
        """Ask both threads to end; a job that takes longer is cut off and runs again after the next start."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _repeat(self, step: Callable[[], None]) -> None:
        while not self._stopping.is_set():
            try:
                step()
            except redis.RedisError as error:
                _LOGGER.warning("%s: no answer from valkey (%s)", step.__name__, error)
                self._stopping.wait(_POLL_SECONDS)
            except Exception:  # the edge of a thread: without this, jobs would silently wait for ever
                _LOGGER.exception("%s failed", step.__name__)
                self._stopping.wait(_POLL_SECONDS)

    def _perform_next(self) -> None:
        try:
            found = Queue.dequeue_any(self._queues, _POLL_SECONDS, connection=self._connection)
        except DequeueTimeout:
            return
        if found is not None:
            self._worker.execute_job(*found)

    def _tick(self) -> None:
        self._on_tick()
        # rq guards this step with locks that outlive a killed process by a minute; this valkey has one worker only.
        self._scheduler.prepare_registries([queue.name for queue in self._queues])  # type: ignore[arg-type]
        self._scheduler.enqueue_scheduled_jobs()  # type: ignore[no-untyped-call]
        self._stopping.wait(_POLL_SECONDS)

    def _requeue_interrupted(self) -> None:
        """Jobs that a killed process was performing; every Argilla job may run twice."""
        for queue in self._queues:
            for job_id in queue.started_job_registry.get_job_ids():
                job = queue.fetch_job(job_id)
                queue.started_job_registry.remove(job_id)
                if job is not None:
                    queue.enqueue_job(job)
