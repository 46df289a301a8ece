"""A real server in a process of its own, and short ways to talk to its API."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psutil

START_TIMEOUT_SECONDS = 60
OWNER_KEY = "owner-key-for-tests"
OWNER = {
    "ARGILLA_OWNER_USERNAME": "owner",
    "ARGILLA_OWNER_PASSWORD": "owner-password",
    "ARGILLA_OWNER_API_KEY": OWNER_KEY,
}
_numbers = count()


@dataclass
class Server:
    """`argilla-embedded serve` on one home; it can be started and ended several times."""

    home: Path
    port: int = 0
    environment: dict[str, str] = field(default_factory=lambda: dict(OWNER))
    process: subprocess.Popen[str] | None = None
    log: list[str] = field(default_factory=list)  # lines that it wrote to stderr
    reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "argilla_embedded.cli", "serve", "--home", self.home, "--port", str(self.port)]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ARGILLA_")}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen(list(map(str, command)), env=clean | self.environment, text=True, **pipes)

    def start(self) -> "Server":
        self.process = self.launch()
        announced = self.process.stdout.readline()
        if not announced:
            raise RuntimeError(self.process.stderr.read())
        self.port = int(announced.split()[1].rsplit(":", 1)[-1])
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while time.monotonic() < deadline:
            try:
                if httpx.get(f"{self.url}/api/v1/status", timeout=5).status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.1)
        raise TimeoutError(f"no answer from {self.url}")

    def _read_log(self) -> None:
        """A pipe that nobody empties would stop the server in the middle of a long error."""
        with self.process.stderr as stream:
            for line in stream:
                self.log.append(line)

    def family(self) -> list[psutil.Process]:
        """The server and its children."""
        server = psutil.Process(self.process.pid)
        return [server, *server.children(recursive=True)]

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        self.process.stdout.close()
        self.reader.join(timeout=5)
        return code

    def client(self, api_key: str = OWNER_KEY) -> httpx.Client:
        headers = {"X-Argilla-Api-Key": api_key}
        hooks = {"response": [_check]}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30, event_hooks=hooks)


def _check(response: httpx.Response) -> None:
    if response.is_error:
        response.read()
        raise AssertionError(f"{response.request.url}: {response.status_code} {response.text}")


def unique(name: str) -> str:
    return f"{name}-{next(_numbers)}"


@dataclass(frozen=True)
class Annotator:
    id: str
    username: str
    client: httpx.Client

    def respond(self, record_id: str, status: str = "submitted", **values: Any) -> None:
        body = {"status": status, "values": {name: {"value": value} for name, value in values.items()}}
        self.client.post(f"/records/{record_id}/responses", json=body)


@dataclass(frozen=True)
class Dataset:
    """A published dataset, its owner's client, and what the tests ask of it."""

    id: str
    workspace_id: str
    client: httpx.Client
    server: Server

    def log(self, *records: dict[str, Any]) -> list[str]:
        """Log records, return their ids."""
        answer = self.client.post(f"/datasets/{self.id}/records/bulk", json={"items": list(records)})
        return [record["id"] for record in answer.json()["items"]]

    def annotator(self) -> Annotator:
        return self._new_user("annotator", is_member=True)

    def admin(self, *, is_member: bool = True) -> Annotator:
        return self._new_user("admin", is_member=is_member)

    def _new_user(self, role: str, *, is_member: bool) -> Annotator:
        name = unique(role)
        account = {"first_name": name, "username": name, "password": "a-long-password", "role": role}
        user = self.client.post("/users", json=account).json()
        if is_member:
            self.client.post(f"/workspaces/{self.workspace_id}/users", json={"user_id": user["id"]})
        return Annotator(user["id"], name, self.server.client(user["api_key"]))

    def search(
        self,
        text: str | None = None,
        *filters: dict[str, Any],
        field: str | None = None,
        sort: Sequence[dict[str, Any]] = (),
        vector: dict[str, Any] | None = None,
        by: Annotator | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> "Found":
        """Search as the owner over everybody's work, or as one annotator over their own."""
        query = {"text": {"q": text, "field": field} if text is not None else None, "vector": vector}
        body = {"query": {name: part for name, part in query.items() if part}}
        body |= {"filters": {"and": filters}} if filters else {}
        body |= {"sort": list(sort)} if sort else {}
        client, prefix = (by.client, "/me") if by else (self.client, "")
        page = {"offset": offset, "limit": limit}
        answer = client.post(f"{prefix}/datasets/{self.id}/records/search", json=body, params=page).json()
        return Found(answer["total"], answer["items"])

    def progress(self) -> dict[str, Any]:
        return self.client.get(f"/datasets/{self.id}/progress").json()

    def metrics_of(self, metadata_property: str) -> dict[str, Any]:
        properties = self.client.get(f"/me/datasets/{self.id}/metadata-properties").json()["items"]
        chosen = next(item["id"] for item in properties if item["name"] == metadata_property)
        return self.client.get(f"/metadata-properties/{chosen}/metrics").json()


@dataclass(frozen=True)
class Found:
    total: int
    items: list[dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """External ids in the order of the answer."""
        return [item["record"]["external_id"] for item in self.items]

    @property
    def scores(self) -> list[float]:
        return [item["query_score"] for item in self.items]


def publish(server: Server, *, vectors: dict[str, int] | None = None, min_submitted: int = 1) -> Dataset:
    """A dataset with two text fields and a chat, one question of each kind we use, and three metadata properties."""
    client = server.client()
    workspace = client.post("/workspaces", json={"name": unique("workspace")}).json()["id"]
    distribution = {"strategy": "overlap", "min_submitted": min_submitted}
    body = {"name": unique("dataset"), "workspace_id": workspace, "distribution": distribution}
    dataset = client.post("/datasets", json=body).json()["id"]

    def add(part: str, name: str, **attributes: Any) -> None:
        client.post(f"/datasets/{dataset}/{part}", json={"name": name, "title": name, **attributes})

    for name, kind in (("prompt", "text"), ("answer", "text"), ("history", "chat")):
        add("fields", name, required=name == "prompt", settings={"type": kind, "use_markdown": False})
    for name, settings in _QUESTIONS.items():
        add("questions", name, required=name == "quality", settings=settings)
    for name, kind in (("source", "terms"), ("tokens", "integer"), ("drift", "float")):
        add("metadata-properties", name, settings={"type": kind})
    for name, dimensions in (vectors or {}).items():
        add("vectors-settings", name, dimensions=dimensions)
    client.put(f"/datasets/{dataset}/publish")
    return Dataset(dataset, workspace, client, server)


def _options(*values: Any) -> list[dict[str, Any]]:
    return [{"value": value, "text": str(value)} for value in values]


_QUESTIONS = {
    "quality": {"type": "rating", "options": [{"value": value} for value in range(1, 6)]},
    "verdict": {"type": "label_selection", "options": _options("keep", "drop")},
    "issues": {"type": "multi_label_selection", "options": _options("tone", "facts", "format")},
    "correction": {"type": "text", "use_markdown": False},
}
