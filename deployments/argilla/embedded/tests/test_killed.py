"""A server killed with SIGKILL in the middle of its work, then started again on the same home."""

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
from running import OWNER_KEY, Annotator, Dataset, Server, publish
from webhooks import Inbox, inbox

pytestmark = pytest.mark.slow

NEW_OWNER = {"ARGILLA_OWNER_PASSWORD": "changed-password", "ARGILLA_OWNER_API_KEY": "changed-key-for-tests"}


@dataclass
class Aftermath:
    """What the first life left: handles with the old credentials, and the processes it consisted of."""

    server: Server
    dataset: Dataset
    annotator: Annotator
    session: dict[str, str]
    owner_session: dict[str, str]
    owner_id: str
    killed: list[psutil.Process]
    listener: Inbox


@pytest.fixture(scope="module")
def aftermath(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    """Killed while it delivers a webhook; some index rows are lost, the owner's credentials change."""
    server = Server(tmp_path_factory.mktemp("killed")).start()
    with inbox(hanging=1) as listener:
        server.client().post("/webhooks", json={"url": listener.url, "events": ["response.created"]})
        dataset = publish(server, vectors={"meaning": 2})
        first, second = dataset.log(
            {"external_id": "first", "fields": {"prompt": "alpha"}, "vectors": {"meaning": [1, 0]}},
            {"external_id": "second", "fields": {"prompt": "beta"}, "vectors": {"meaning": [0, 1]}},
        )
        annotator = dataset.annotator()
        annotator.respond(first, quality=4)
        listener.wait_for(1)
        session = _log_in(server, "a-long-password", annotator.username)
        owner_session, owner_id = _log_in(server, "owner-password"), server.client().get("/me").json()["id"]
        killed = server.family()
        server.end(signal.SIGKILL)
        psutil.wait_procs(killed, timeout=5)
        _lose_index_rows(server.home, changed=second.replace("-", ""))
        _lose_statuses(server.home)
        server.environment |= NEW_OWNER
        server.start()
        dataset = Dataset(dataset.id, dataset.workspace_id, server.client(NEW_OWNER["ARGILLA_OWNER_API_KEY"]), server)
        yield Aftermath(server, dataset, annotator, session, owner_session, owner_id, killed, listener)
    if server.process.poll() is None:
        server.end()


def _log_in(server: Server, password: str, username: str = "owner") -> dict[str, str]:
    answer = httpx.post(f"{server.url}/api/v1/token", data={"username": username, "password": password})
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}


def _lose_index_rows(home: Path, changed: str) -> None:
    """As if the kill had come between Argilla's commit and the index's: one text was changed, one record added."""
    values = {"fields": '{"prompt": "gamma"}', "now": "2999-01-01 00:00:00.000000", "id": changed}
    with closing(sqlite3.connect(home / "argilla.db")) as database, database:
        database.execute("UPDATE records SET fields = :fields, updated_at = :now WHERE id = :id", values)
    with closing(sqlite3.connect(home / "search.db")) as index, index:
        index.execute("DELETE FROM documents WHERE record_id <> ?", (changed,))


def _lose_statuses(home: Path) -> None:
    """As if the kill had come between an answer's transaction and the one of its record's status."""
    with closing(sqlite3.connect(home / "argilla.db")) as database, database:
        database.execute("UPDATE records SET status = iif(status = 'completed', 'pending', 'completed')")


def test_the_kill_takes_valkey_along(aftermath: Aftermath) -> None:
    names = [process.name() for process in aftermath.killed if process.is_running() and process.status() != "zombie"]
    assert len(aftermath.killed) == 2
    assert names == []


def test_records_and_answers_survive(aftermath: Aftermath) -> None:
    assert aftermath.dataset.search().names == ["first", "second"]
    progress = aftermath.dataset.progress()
    assert (progress["completed"], progress["pending"]) == (1, 1)
    assert aftermath.annotator.client.get("/me").json()["username"] == aftermath.annotator.username


def test_lost_texts_and_vectors_are_indexed_again(aftermath: Aftermath) -> None:
    assert aftermath.dataset.search("alpha").names == ["first"]
    assert aftermath.dataset.search("gamma").names == ["second"]
    assert aftermath.dataset.search("beta").names == []
    assert aftermath.dataset.search(vector={"name": "meaning", "value": [0, 1]}).names == ["second", "first"]


def test_people_stay_logged_in(aftermath: Aftermath) -> None:
    me = httpx.get(f"{aftermath.server.url}/api/v1/me", headers=aftermath.session)
    assert me.json()["username"] == aftermath.annotator.username


def test_the_owner_follows_the_environment(aftermath: Aftermath) -> None:
    assert aftermath.dataset.client.get("/me").json()["id"] == aftermath.owner_id
    old_key = {"X-Argilla-Api-Key": OWNER_KEY}
    assert httpx.get(f"{aftermath.server.url}/api/v1/me", headers=old_key).status_code == 401
    assert httpx.get(f"{aftermath.server.url}/api/v1/me", headers=aftermath.owner_session).status_code == 401
    assert _log_in(aftermath.server, NEW_OWNER["ARGILLA_OWNER_PASSWORD"])


def test_the_interrupted_job_runs_again(aftermath: Aftermath) -> None:
    aftermath.listener.wait_for(2)
    first, second = aftermath.listener.received[:2]
    assert first["data"]["id"] == second["data"]["id"]


def test_an_answer_given_while_valkey_is_away_is_saved_and_acknowledged(aftermath: Aftermath) -> None:
    annotator = aftermath.dataset.annotator()
    record = aftermath.dataset.search().items[0]["record"]["id"]
    old = _kill_valkey(aftermath.server)
    annotator.respond(record, quality=2)
    submitted = {"type": "terms", "scope": {"entity": "response", "property": "status"}, "values": ["submitted"]}
    assert len(aftermath.dataset.search(None, submitted, by=annotator).names) == 1
    _wait_for_another_valkey(aftermath.server, old)


def test_a_killed_valkey_is_started_again(aftermath: Aftermath) -> None:
    delivered = len(aftermath.listener.received)
    _wait_for_another_valkey(aftermath.server, _kill_valkey(aftermath.server))
    aftermath.dataset.annotator().respond(aftermath.dataset.search().items[1]["record"]["id"], quality=1)
    aftermath.listener.wait_for(delivered + 1)


def _kill_valkey(server: Server) -> psutil.Process:
    old = server.family()[1]
    old.kill()
    return old


def _wait_for_another_valkey(server: Server, old: psutil.Process) -> None:
    deadline = time.monotonic() + 60
    while [process.pid for process in server.family()[1:]] in ([], [old.pid]):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_sigterm_ends_everything_within_seconds(aftermath: Aftermath) -> None:
    family = aftermath.server.family()
    began = time.monotonic()
    assert aftermath.server.end(signal.SIGTERM) == 0
    assert time.monotonic() - began < 30
    assert psutil.wait_procs(family, timeout=5)[1] == []
