"""Simulated annotators who write down what the server acknowledged, while it is killed under their hands."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import httpx

from benchmarks.review_items import only_word

Action = Literal["submit", "draft", "discard", "edit", "withdraw"]
WEIGHTS: Mapping[Action, int] = {"submit": 50, "draft": 8, "discard": 8, "edit": 24, "withdraw": 10}
ISSUES = ("wrong_category", "not_json", "voice", "incomplete")
GIVE_UP_SECONDS = 900
PENDING = {
    "type": "and",
    "and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["pending"]}],
}


class ServerAwayError(Exception):
    """No answer, or a failure on the server's side: asking again may help."""


@dataclass
class Journal:
    """What the server said it has. `last`: record id -> the response acknowledged last; `failures`: kind -> times."""

    last: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def write(self, response: dict[str, Any]) -> None:
        before = self.last.get(response["record_id"])
        if before is not None and before["id"] != response["id"]:
            self.violations.append(f"response {before['id']} became {response['id']}: it was lost or doubled")
        self.last[response["record_id"]] = response
        self.acknowledged += 1


@dataclass
class SimulatedAnnotator:
    """One person with a browser that asks again until it gets an answer; after a failure it reads the record anew."""

    name: str
    user_id: str
    http: httpx.Client
    datasets: Callable[[], list[str]]
    chance: random.Random
    journal: Journal = field(default_factory=Journal)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)

    def work(self, stopping: threading.Event, pause_seconds: float) -> None:
        while not stopping.is_set():
            self._act()
            stopping.wait(self.chance.uniform(0, 2 * pause_seconds))

    def _act(self) -> None:
        action = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        answered = list(self.journal.last)
        if action in {"edit", "withdraw"} and answered:
            record = self.chance.choice(answered)
        elif (found := self._pending()) is not None:
            record = found
        else:
            return
        self._save(record, self._response(record, action))

    def _pending(self) -> str | None:
        datasets = self.datasets()
        if not datasets:
            return None
        dataset = self.chance.choice(datasets)
        ask = {"params": {"limit": 10, "include": "responses"}, "json": {"filters": PENDING}}
        found = self._insist("POST", f"/me/datasets/{dataset}/records/search", **ask)
        records = [item["record"] for item in found["items"]]
        for record in records:
            self.records[record["id"]] = record
            if record["id"] in self.journal.last:
                self.journal.violations.append(f"{self.name}: an answered record is offered as pending")
        return str(self.chance.choice(records)["id"]) if records else None

    def _response(self, record: str, action: Action) -> dict[str, Any]:
        values: dict[str, Any] = {"rating": self.chance.randint(1, 5)}
        if self.chance.random() < 0.7:
            values["correction"] = f"{self.records[record]['fields']['answer']} {self.chance.random():.6f}"
        if self.chance.random() < 0.3:
            values["issues"] = self.chance.sample(ISSUES, 2)
        if self.chance.random() < 0.03:
            values["flag"] = "personal_data"
        status = {"draft": "draft", "discard": "discarded"}.get(action, "submitted")
        if action == "withdraw":
            status = self.chance.choice(("draft", "discarded"))
        return {"status": status, "values": {name: {"value": value} for name, value in values.items()}}

    def _save(self, record: str, body: dict[str, Any]) -> None:
        """As the page does: PUT where there is a response, POST where there is none; then look again after failures."""
        known = self.journal.last.get(record, {}).get("id")
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                self.journal.write(self._put(known, body) if known else self._post(record, body))
                return
            except ServerAwayError as error:
                if time.monotonic() > deadline:
                    self.journal.violations.append(f"{self.name}: no answer for {GIVE_UP_SECONDS} s ({error})")
                    return
                self.journal.failures[str(error)] += 1
                time.sleep(self.chance.uniform(0.1, 0.6))
                known = self._look_again(record, body) or known

    def _put(self, response: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("PUT", f"/responses/{response}", json=body)

    def _post(self, record: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._ask("POST", f"/records/{record}/responses", json=body)

    def _look_again(self, record: str, body: dict[str, Any]) -> str | None:
        """Id of my response as the server has it now, which must be the last acknowledged or the one being sent."""
        mine = self._my_response(record)
        last = self.journal.last.get(record)
        allowed = [_content(body), _content(last) if last else None]
        if (_content(mine) if mine else None) not in allowed:
            self.journal.violations.append(f"{self.name}: record {record} holds neither the old answer nor the new one")
        return str(mine["id"]) if mine else None

    def _my_response(self, record: str) -> dict[str, Any] | None:
        """Looked for by the record's only word, so that the search must have come back too."""
        seen = self.records[record]
        path, text = f"/me/datasets/{seen['dataset_id']}/records/search", only_word(seen["external_id"])
        ask = {"params": {"include": "responses"}, "json": {"query": {"text": {"q": text}}}}
        found: dict[str, Any] = next(item["record"] for item in self._insist("POST", path, **ask)["items"])
        return next((response for response in found["responses"] if response["user_id"] == self.user_id), None)

    def _insist(self, method: str, path: str, **ask: Any) -> dict[str, Any]:
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return self._ask(method, path, **ask)
            except ServerAwayError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(self.chance.uniform(0.1, 0.6))

    def _ask(self, method: str, path: str, **ask: Any) -> dict[str, Any]:
        try:
            answer = self.http.request(method, path, **ask)
        except httpx.HTTPError as error:
            raise ServerAwayError(type(error).__name__) from error
        if answer.status_code >= 500 or answer.status_code == 409:
            raise ServerAwayError(f"{answer.status_code} for a {method}")
        if answer.is_error:
            self.journal.violations.append(
                f"{self.name}: {answer.status_code} for {method} {path}: {answer.text[:200]}"
            )
            raise ServerAwayError(str(answer.status_code))
        found: dict[str, Any] = answer.json()
        return found


def _content(response: Mapping[str, Any]) -> tuple[str, Any]:
    return response["status"], response["values"]
