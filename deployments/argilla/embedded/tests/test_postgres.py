"""Rows in Postgres, jobs in a Redis: what the home then holds, and that searches follow Postgres whatever happens."""

import random
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import httpx
import psutil
import pytest
from argilla_embedded.backends import BackendError, backends_from
from argilla_embedded.postgres import check, columns_of, connect, selected
from postgres import Cluster, free_port, rows, running_redis
from running import OWNER, Dataset, Server, publish
from scopes import RESPONSE_STATUS, metadata, terms

COPIED = ("datasets", "fields", "questions", "records", "responses", "suggestions", "vectors")


def _database_of(server: Server) -> str:
    return server.environment["ARGILLA_DATABASE_URL"]


def _copy_of(server: Server, table: str) -> list[tuple]:
    with closing(sqlite3.connect(server.home / "mirror.db")) as copy:
        found = copy.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()
    return [tuple(None if value is None else str(value) for value in row[:-1]) for row in found]


def _original_of(server: Server, table: str) -> list[tuple]:
    connection = connect(_database_of(server), "test")
    columns = selected(columns_of(connection, table))
    connection.close()
    return rows(_database_of(server), f"SELECT {columns} FROM {table} ORDER BY id")


def _assert_level(server: Server) -> None:
    for table in COPIED:
        assert _copy_of(server, table) == _original_of(server, table), table


def test_the_home_holds_neither_rows_nor_a_queue(on_postgres: Server) -> None:
    assert len(on_postgres.family()) == 1
    assert not (on_postgres.home / "argilla.db").exists()
    assert rows(_database_of(on_postgres), "SELECT username FROM users WHERE username = 'owner'") == [("owner",)]


def test_jobs_go_through_the_given_redis(on_postgres: Server) -> None:
    port = int(on_postgres.environment["ARGILLA_REDIS_URL"].rsplit(":", 1)[-1].split("/")[0])
    connections = psutil.Process(on_postgres.process.pid).connections("inet")
    assert any(one.raddr and one.raddr.port == port for one in connections)


def test_what_goes_along_with_a_deleted_row_is_gone_from_searches(on_postgres: Server) -> None:
    dataset = publish(on_postgres, vectors={"meaning": 2})
    ids = dataset.log(*({"external_id": str(n), "fields": {"prompt": "x"}} for n in range(3)))
    ann, bob = dataset.annotator(), dataset.annotator()
    for record_id in ids[:2]:
        ann.respond(record_id, quality=1)
    bob.respond(ids[2], quality=2)
    submitted = terms(RESPONSE_STATUS, "submitted")
    assert dataset.search(None, submitted).total == 3
    dataset.client.delete(f"/users/{ann.id}")
    assert dataset.search(None, submitted).names == ["2"]
    dataset.client.delete(f"/datasets/{dataset.id}")
    assert publish(on_postgres).search().total == 0
    _assert_level(on_postgres)


def test_a_change_by_another_program_is_found_at_once(on_postgres: Server, cluster: Cluster) -> None:
    dataset = publish(on_postgres)
    (record,) = dataset.log({"external_id": "one", "fields": {"prompt": "x"}, "metadata": {"source": "web"}})
    changed = f"UPDATE records SET metadata = '{{\"source\": \"mail\"}}' WHERE id = '{record}'"
    cluster.execute(_database_of(on_postgres), changed)
    assert dataset.search(None, terms(metadata("source"), "mail")).names == ["one"]
    assert dataset.search(None, terms(metadata("source"), "web")).names == []


def test_records_logged_together_keep_their_order_when_one_is_changed(on_postgres: Server) -> None:
    dataset = publish(on_postgres)
    ids = dataset.log(*({"external_id": str(n), "fields": {"prompt": "x"}} for n in range(5)))
    dataset.client.patch(f"/records/{ids[1]}", json={"metadata": {"source": "web"}})
    assert dataset.search().names == ["0", "1", "2", "3", "4"]


def test_a_database_has_one_server(on_postgres: Server, tmp_path: Path) -> None:
    second = Server(tmp_path, environment=on_postgres.environment).launch()
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 1
    assert "another argilla-embedded serves this database" in errors


@pytest.fixture
def own(cluster: Cluster, tmp_path: Path) -> Server:
    """A server on a database of its own, not yet started."""
    return Server(tmp_path / "home", environment=OWNER | {"ARGILLA_DATABASE_URL": cluster.new_database()})


def test_changes_made_while_nobody_serves_are_found_after_the_start(own: Server, cluster: Cluster) -> None:
    dataset = publish(own.start())
    kept, changed, deleted = dataset.log(
        *({"external_id": name, "fields": {"prompt": name}} for name in ("kept", "changed", "deleted"))
    )
    own.end()
    now = "timestamp '2999-01-01'"
    cluster.execute(
        _database_of(own),
        f"""UPDATE records SET fields = '{{"prompt": "new"}}', updated_at = {now} WHERE id = '{changed}';
        DELETE FROM records WHERE id = '{deleted}';
        UPDATE records SET status = 'completed' WHERE id = '{kept}'""",
    )
    assert rows(_database_of(own), "SELECT count(*) FROM argilla_embedded.changes") == [(0,)]
    own.start()
    assert dataset.server is own
    again = Dataset(dataset.id, dataset.workspace_id, own.client(), own)
    assert again.search("new").names == ["changed"]
    assert again.search("deleted").names == []
    assert again.search("kept").items[0]["record"]["id"] == kept
    assert again.progress()["completed"] == 0  # nobody has answered: counted again, as in the home
    _assert_level(own)
    own.end()


def test_a_restarted_postgres_is_found_again(own: Server, cluster: Cluster) -> None:
    dataset = publish(own.start())
    dataset.log({"external_id": "before", "fields": {"prompt": "x"}})
    cluster.control("-m", "fast", "restart")
    dataset.log({"external_id": "after", "fields": {"prompt": "x"}})
    assert dataset.search().names == ["before", "after"]
    _assert_level(own)
    own.end()


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_when_the_server_is_killed_at_random_moments(own: Server) -> None:
    """Records and answers are written while the server is killed and started again, three times."""
    dataset = publish(own.start(), vectors={"meaning": 2})
    logged, answered = set(), set()
    annotator = dataset.annotator()
    key = annotator.client.headers["X-Argilla-Api-Key"]

    def work() -> None:
        client, person = own.client(), own.client(key)
        while True:
            names = [f"word{random.getrandbits(40)}" for _ in range(5)]
            items = [{"external_id": n, "fields": {"prompt": n}, "vectors": {"meaning": [1, 0]}} for n in names]
            try:
                found = client.post(f"/datasets/{dataset.id}/records/bulk", json={"items": items}).json()["items"]
                logged.update(names)
                answer = {"status": "submitted", "values": {"quality": {"value": 3}}}
                person.post(f"/records/{found[0]['id']}/responses", json=answer)
                answered.add(names[0])
            except httpx.TransportError:
                return

    for _ in range(3):
        worker = threading.Thread(target=work)
        worker.start()
        time.sleep(random.uniform(0.5, 2.5))
        own.end(signal.SIGKILL)
        worker.join(timeout=30)
        own.start()
    again = Dataset(dataset.id, dataset.workspace_id, own.client(), own)
    total = rows(_database_of(own), "SELECT count(*) FROM records")[0][0]
    assert len(logged) >= 20
    assert again.search("word*").total == again.search().total == total >= len(logged)
    for name in random.sample(sorted(logged), 10):
        assert again.search(name).names == [name]
    submitted = again.search(None, terms(RESPONSE_STATUS, "submitted"), limit=1000).names
    assert len(submitted) == len(set(submitted))
    assert answered <= set(submitted)
    assert again.search(vector={"name": "meaning", "value": [1, 0]}, limit=1000).total >= len(logged)
    _assert_level(own)
    own.end()


@pytest.mark.parametrize(
    ("variable", "address", "reason"),
    [
        ("ARGILLA_DATABASE_URL", "sqlite+aiosqlite:///x.db", "must be postgresql"),
        ("ARGILLA_DATABASE_URL", "postgresql://user@host", "must be postgresql"),
        ("ARGILLA_DATABASE_URL", "nonsense-secret", "is no database address"),
        ("ARGILLA_DATABASE_URL", "postgresql://user:secret@host:port/db", "is no database address"),
        ("ARGILLA_DATABASE_URL", "postgresql://user:secret@host/db?sslmode=require", "PGSSLMODE"),
        ("ARGILLA_DATABASE_URL", "postgresql://user:secret%40@host/db", "PGPASSWORD"),
        ("ARGILLA_REDIS_URL", "memcached://:secret@host", "must start with"),
    ],
)
def test_an_address_that_cannot_work_is_refused_without_repeating_it(variable: str, address: str, reason: str) -> None:
    with pytest.raises(BackendError, match=reason) as refusal:
        backends_from({variable: address})
    assert "secret" not in str(refusal.value)


def test_addresses_are_brought_to_the_servers_driver_and_hidden() -> None:
    backends = backends_from({"ARGILLA_DATABASE_URL": "postgresql://user:secret@host/db"})
    assert backends.database_url == "postgresql+asyncpg://user:secret@host/db"
    assert backends.redis_url is None
    assert "secret" not in repr(backends)


def test_a_role_that_may_not_make_tables_is_told_so(cluster: Cluster) -> None:
    url = cluster.new_database()
    cluster.execute(url, "CREATE ROLE guest LOGIN")
    check(url)
    with pytest.raises(BackendError, match="the role guest may not make tables"):
        check(url.replace("argilla@", "guest@"))


@pytest.mark.parametrize("variable", ["ARGILLA_DATABASE_URL", "ARGILLA_REDIS_URL"])
def test_a_start_without_its_backend_ends_with_a_clear_error(variable: str, tmp_path: Path) -> None:
    address = {"ARGILLA_DATABASE_URL": "postgresql://user:secret@127.0.0.1:{}/db"}.get(
        variable, "redis://:secret@127.0.0.1:{}"
    )
    process = Server(tmp_path, environment=OWNER | {variable: address.format(free_port())}).launch()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be used" in errors
    assert "Traceback" not in errors
    assert "secret" not in errors


def test_a_redis_with_another_password_is_refused(tmp_path: Path) -> None:
    (tmp_path / "redis").mkdir()
    with running_redis(tmp_path / "redis") as address:
        wrong = address.replace("a-password", "guessed")
        process = Server(tmp_path / "home", environment=OWNER | {"ARGILLA_REDIS_URL": wrong}).launch()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "cannot be used" in errors
    assert "guessed" not in errors
