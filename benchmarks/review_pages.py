"""Annotators at work: the requests of Argilla's annotation page, each timed, from several people at once."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np

from benchmarks.review_items import VECTOR
from benchmarks.review_server import ArgillaServer

PAGE = {"include": ["responses", "suggestions"], "limit": 10}
PENDING = [
    {"type": "terms", "scope": {"entity": entity, "property": "status"}, "values": ["pending"]}
    for entity in ("response", "record")
]
LOW_SCORES = {"type": "range", "scope": {"entity": "metadata", "metadata_property": "rouge_l"}, "ge": 0.1, "le": 0.3}
ACTIONS = ("open", "pending", "filter", "search", "similar", "progress", "submit")


@dataclass
class Timings:
    """Seconds per action, and the requests that failed."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    def sample(self) -> dict[str, float]:
        """p50 and p95 of each action in milliseconds."""
        shares = {"p50": 50, "p95": 95}
        found = {
            f"{action}_{name}_ms": float(np.percentile(self.seconds[action], share)) * 1000
            for action in ACTIONS
            for name, share in shares.items()
        }
        everything = [s for action in ACTIONS for s in self.seconds[action]]
        return found | {
            f"any_{name}_ms": float(np.percentile(everything, share)) * 1000 for name, share in shares.items()
        }


@dataclass
class Annotator:
    """One person at the page of one dataset, without pauses for thought: nobody human is that fast."""

    http: httpx.Client
    dataset: str
    timings: Timings
    chance: random.Random
    words: tuple[str, ...]
    position: int

    def work(self, rounds: int) -> None:
        for _ in range(rounds):
            self._timed("open", self._open)
            waiting = self._timed("pending", self._search)
            self._timed("filter", lambda: self._search(filters=[*PENDING, LOW_SCORES]))
            self._timed("search", lambda: self._search({"text": {"q": " ".join(self.chance.sample(self.words, 2))}}))
            if waiting:
                record = self.chance.choice(waiting)["record"]
                vector = {"name": VECTOR, "record_id": record["id"], "max_results": 50, "order": "most_similar"}
                self._timed("similar", lambda vector=vector: self._search({"vector": vector}))
                self._timed("submit", lambda record=record: self._submit(record))
            self._timed("progress", self._progress)

    def _timed(self, action: str, ask: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        try:
            found = ask()
        except httpx.HTTPError as error:
            self.timings.errors.append(f"{action}: {error!r}")
            return None
        self.timings.seconds[action].append(time.perf_counter() - began)
        return found

    def _open(self) -> None:
        for path in ("", "/fields", "/questions", "/vectors-settings"):
            self._get(f"/datasets/{self.dataset}{path}")
        self._get(f"/me/datasets/{self.dataset}/metadata-properties")
        self._progress()

    def _progress(self) -> None:
        self._get(f"/datasets/{self.dataset}/progress")
        self._get(f"/me/datasets/{self.dataset}/metrics")

    def _search(
        self, query: Mapping[str, Any] | None = None, filters: list[dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        body = {"query": query or {}, "filters": {"type": "and", "and": filters or PENDING}}
        # People stand at different places of the queue, so that they do not all answer the same record.
        page = PAGE | {"offset": 0 if query or filters else self.position * 10}
        found = self.http.post(f"/me/datasets/{self.dataset}/records/search", params=page, json=body)
        items: list[dict[str, Any]] = found.raise_for_status().json()["items"]
        return items

    def _submit(self, record: Mapping[str, Any]) -> None:
        values = {"rating": self.chance.randint(1, 5), "correction": f"{record['fields']['answer']} Thank you."}
        body = {"status": "submitted", "values": {name: {"value": value} for name, value in values.items()}}
        self.http.post(f"/records/{record['id']}/responses", json=body).raise_for_status()

    def _get(self, path: str) -> None:
        self.http.get(path).raise_for_status().json()


def at_work(server: ArgillaServer, dataset: str, keys: list[str], words: tuple[str, ...], rounds: int) -> Timings:
    """All annotators at once, each in a thread; `keys` are their API keys."""
    timings = Timings()
    people = [
        Annotator(server.client(key), dataset, timings, random.Random(number), words, number)
        for number, key in enumerate(keys)
    ]
    with ThreadPoolExecutor(len(people)) as pool:
        for done in [pool.submit(person.work, rounds) for person in people]:
            done.result()
    return timings
