"""People, a publisher and a collector at work on one server, and what can be killed under them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from benchmarks.review_annotators import Journal, SimulatedAnnotator
from benchmarks.review_collector import PSEUDONYM_KEY
from benchmarks.review_inbox import Inbox
from benchmarks.review_items import FORM, make_items, only_word
from benchmarks.review_server import ArgillaServer
from tuneloop.adapters.argilla.backend import ArgillaBackend
from tuneloop.errors import ServiceError
from tuneloop.ports import ReviewAnswer, ReviewItem

VICTIMS = ("server", "valkey", "delivery", "recount", "collector")
PROJECT = "soak-round-"
SETS, RECORDS_PER_SET, RECORDS_PER_STEP = 3, 60, 20
PATIENCE_SECONDS = 900
"""On a machine with much other work a start takes a minute, and the next kill comes soon."""


class Soak:
    """Everything that runs; leave the context to end it.

    Args:
        place: an empty folder.
        people: how many annotators there are.
        pause_seconds: an annotator's mean pause between two answers.
        inbox: told of every response that is made or changed.
    """

    def __init__(self, place: Path, *, people: int, pause_seconds: float, seed: int, inbox: Inbox) -> None:
        self.folder = place / "feedback"
        self.server = ArgillaServer(place / "home")
        self.inbox = inbox
        self.items = [item for number in range(1, SETS + 1) for item in _set(f"{PROJECT}{number}", seed + number)]
        self.people: list[SimulatedAnnotator] = []
        self.datasets: list[str] = []
        self._count, self._pause_seconds, self._seed = people, pause_seconds, seed
        self._chance = random.Random(seed)
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(people + 1)
        self._running: list[Future[None]] = []
        self._collector: subprocess.Popen[bytes] | None = None
        self._wanted = FORM.min_submitted

    def __enter__(self) -> Self:
        self.server.start()
        self._publish(RECORDS_PER_STEP)
        with self.server.client() as http:
            events = ["response.created", "response.updated"]
            http.post("/webhooks", json={"url": self.inbox.url, "events": events}).raise_for_status()
            self.people = [self._hired(http, number) for number in range(self._count)]
        self._running = [self._threads.submit(p.work, self._stopping, self._pause_seconds) for p in self.people]
        self._running.append(self._threads.submit(self._publish_all))
        self._collector = self._start_collector()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.rest()
        finally:
            self.server.stop()

    @property
    def acknowledged(self) -> int:
        return sum(person.journal.acknowledged for person in self.people)

    def rest(self) -> None:
        """End all work; what was begun is finished first. Failures of a thread are raised here."""
        self._stopping.set()
        self.inbox.release()
        self._threads.shutdown()
        if self._collector is not None:
            self._collector.kill()
            self._collector.wait()
        for thread in self._running:
            thread.result()

    def kill(self, victim: str) -> None:
        """SIGKILL the victim now, or in the middle of the job that is meant, and bring it up again."""
        if victim == "collector":
            assert self._collector is not None
            self._collector.kill()
            self._collector.wait()
            self._collector = self._start_collector()
        elif victim == "valkey":
            self._kill_valkey()
        else:
            before = {"server": lambda: None, "delivery": self._during_delivery, "recount": self._during_recount}
            before[victim]()
            self.server.kill()
            self.inbox.release()
            self.server.start()

    def collect_once(self) -> None:
        """One undisturbed collection, in a process of its own."""
        if self._start_collector("--once").wait(PATIENCE_SECONDS):
            raise SystemExit("the last collection failed")

    def answers(self) -> list[ReviewAnswer]:
        backend = ArgillaBackend(self.server.url, self.server.key, pseudonym_key=PSEUDONYM_KEY)
        return backend.answers(PROJECT)

    def _kill_valkey(self) -> None:
        valkey = _found(self.server.valkey)
        valkey.kill()
        _found(lambda: (now := self.server.valkey()) is not None and now.pid != valkey.pid)

    def _during_delivery(self) -> None:
        if not self.inbox.hold_next(PATIENCE_SECONDS):
            raise SystemExit("no webhook was delivered, so none could be cut off")

    def _during_recount(self) -> None:
        """Change how many answers a record wants, which makes Argilla look at every answered record in a job."""
        self._wanted = 3 - self._wanted
        wanted = {"strategy": "overlap", "min_submitted": self._wanted}
        with self.server.client() as http:
            http.patch(f"/datasets/{self.datasets[0]}", json={"distribution": wanted}).raise_for_status()
        time.sleep(self._chance.uniform(0, 0.3))

    def _start_collector(self, *more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "benchmarks.review_collector", self.server.url, PROJECT, str(self.folder)]
        return subprocess.Popen([*command, *more], env=os.environ | {"ARGILLA_API_KEY": self.server.key})

    def _hired(self, http: Any, number: int) -> SimulatedAnnotator:
        account = {"first_name": "a", "username": f"annotator-{number}", "password": "a-long-password"}
        user = http.post("/users", json=account | {"role": "annotator"}).raise_for_status().json()
        for workspace in http.get("/me/workspaces").raise_for_status().json()["items"]:
            http.post(f"/workspaces/{workspace['id']}/users", json={"user_id": user["id"]}).raise_for_status()
        chance = random.Random(f"{self._seed}/{number}")
        client = self.server.client(user["api_key"])
        return SimulatedAnnotator(user["username"], user["id"], client, lambda: list(self.datasets), chance)

    def _publish_all(self) -> None:
        for count in range(RECORDS_PER_STEP, len(self.items) + 1, RECORDS_PER_STEP):
            self._publish(count)
            self._stopping.wait(self._chance.uniform(1, 4))

    def _publish(self, count: int) -> None:
        """The first `count` items of all; asked again until it works, as a task's retries do."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        name = self.items[count - 1].id.rsplit("-", 1)[0]
        mine = [item for item in self.items[:count] if item.id.startswith(f"{name}-")]
        while True:
            try:
                address = ArgillaBackend(self.server.url, self.server.key).publish(name, mine, FORM)
                break
            except ServiceError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
        dataset = address.split("/")[-2]
        if dataset not in self.datasets:
            self.datasets.append(dataset)


def _set(name: str, seed: int) -> list[ReviewItem]:
    made = make_items(RECORDS_PER_SET, seed)
    named = [(f"{name}-{number:03d}", item) for number, item in enumerate(made)]
    return [replace(item, id=name, prompt=f"{item.prompt} {only_word(name)}") for name, item in named]


def _found(look: Callable[[], Any]) -> Any:
    """What `look` gives as soon as it is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise SystemExit("valkey did not come up again")
        time.sleep(0.05)
    return found


def last_acknowledged(journals: list[Journal]) -> Mapping[str, Mapping[str, Any]]:
    """Response id -> what the server acknowledged last."""
    return {response["id"]: response for journal in journals for response in journal.last.values()}
