"""From a home to Postgres: killed in the middle, repeated, compared, and served there."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import argilla as rg
import httpx
import psycopg2
import pytest
from argilla_embedded.cli import main
from argilla_embedded.home import HomeInUseError
from argilla_embedded.migration import MigrationError, source, target
from argilla_embedded.migration.steps import migrate
from argilla_embedded.postgres import connect
from postgres import Cluster, rows
from running import OWNER_KEY, Annotator, Server, publish

pytestmark = pytest.mark.slow

RECORDS = 2000
PASSWORD = "a-long-password"


@dataclass
class Old:
    """A home that is no longer served, and what its people and programs knew."""

    server: Server
    dataset_id: str
    annotators: tuple[Annotator, Annotator]
    content: dict[str, list[tuple]]

    @property
    def home(self) -> Path:
        return self.server.home


def _content(home: Path) -> dict[str, list[tuple]]:
    with source.opened(home / "argilla.db") as connection:
        tables = [source._table(connection, name) for name in source.TABLES]
        return {table.name: list(source.read(connection, table)) for table in tables}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Old:
    server = Server(tmp_path_factory.mktemp("old") / "home").start()
    server.client().post("/webhooks", json={"url": "http://127.0.0.1:9/", "events": ["response.created"]})
    dataset = publish(server, vectors={"meaning": 3}, min_submitted=2)
    questions = dataset.client.get(f"/datasets/{dataset.id}/questions").json()["items"]
    correction = next(question["id"] for question in questions if question["name"] == "correction")
    ids = []
    for start in range(0, RECORDS, 500):
        ids += dataset.log(
            *(
                {
                    "external_id": str(n),
                    "fields": {"prompt": f'"Zürich" 東京 \\ {n}', "history": [{"role": "user", "content": "hi"}]},
                    "metadata": {"source": ["web", "mail"], "tokens": n, "drift": 1 / (n + 7)},
                    "suggestions": [{"question_id": correction, "value": "better", "score": 1 / 3, "agent": "model"}],
                    "vectors": {"meaning": [0.1, 1e-7, n / 3]},
                }
                for n in range(start, start + 500)
            )
        )
    people = dataset.annotator(), dataset.annotator()
    for number, person in enumerate(people):
        for record_id in ids[:3]:
            person.respond(record_id, quality=number + 1, correction="it's \n better")
    people[0].respond(ids[3], "draft", verdict="keep")
    people[1].respond(ids[4], "discarded")
    server.end()
    return Old(server, dataset.id, people, _content(server.home))


def _command(home: Path, database: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "argilla_embedded.cli", "migrate", "--home", str(home), "--to", database]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _run(home: Path, database: str) -> tuple[int, str]:
    process = _command(home, database)
    said, errors = process.communicate(timeout=300)
    return process.returncode, said + errors


def _number_of(table: str, database: str) -> int:
    try:
        return rows(database, f"SELECT count(*) FROM {table}")[0][0]
    except psycopg2.errors.UndefinedTable:
        return 0


def _kill_when_some_are_there(table: str, home: Path, database: str) -> int:
    """Kill a migration with SIGKILL in the middle of a table; the number of its rows that were committed."""
    process = _command(home, database)
    while _number_of(table, database) == 0:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return _number_of(table, database)


@dataclass
class Moved:
    database: str
    copied_before_each_kill: list[int]
    last_words: str


@pytest.fixture(scope="module")
def moved(old: Old, cluster: Cluster) -> Moved:
    """Killed among the records, killed among the vectors, then run to its end."""
    database = cluster.new_database()
    killed = [_kill_when_some_are_there(table, old.home, database) for table in ("records", "vectors")]
    code, said = _run(old.home, database)
    assert code == 0, said
    return Moved(database, killed, said)


def test_both_kills_came_in_the_middle(moved: Moved) -> None:
    assert all(0 < copied < RECORDS for copied in moved.copied_before_each_kill)


@pytest.mark.parametrize("table", source.TABLES)
def test_every_table_arrives_value_by_value(old: Old, moved: Moved, table: str) -> None:
    with closing(connect(moved.database, "test")) as connection, source.opened(old.home / "argilla.db") as here:
        copied = list(target.read(connection, source._table(here, table)))
    assert copied == old.content[table]
    assert copied != []


def test_the_counts_and_checksums_are_shown_and_the_next_steps_said(moved: Moved) -> None:
    assert f"records: {RECORDS} rows, sha256 " in moved.last_words
    assert moved.last_words.count("the same in Postgres") == len(source.TABLES)
    assert "search-engine reindex" in moved.last_words
    assert "ARGILLA_AUTH_SECRET_KEY" in moved.last_words


def test_a_migration_that_is_done_changes_nothing_when_run_again(old: Old, moved: Moved) -> None:
    before = rows(moved.database, "SELECT xmin::text FROM records ORDER BY id")
    code, said = _run(old.home, moved.database)
    assert code == 0, said
    assert rows(moved.database, "SELECT xmin::text FROM records ORDER BY id") == before


@pytest.fixture(scope="module")
def new(moved: Moved, old: Old, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Served from Postgres, with another home that got the old one's signing key."""
    home = tmp_path_factory.mktemp("new home")
    shutil.copy(old.home / "auth.secret", home)
    server = Server(home, environment={"ARGILLA_DATABASE_URL": moved.database}).start()
    yield server
    server.end()


def test_annotators_log_in_with_their_old_passwords_and_keys(old: Old, new: Server) -> None:
    for person in old.annotators:
        answer = httpx.post(f"{new.url}/api/v1/token", data={"username": person.username, "password": PASSWORD})
        session = {"Authorization": f"Bearer {answer.raise_for_status().json()['access_token']}"}
        key = {"X-Argilla-Api-Key": person.client.headers["X-Argilla-Api-Key"]}
        for headers in (session, key):
            assert httpx.get(f"{new.url}/api/v1/me", headers=headers).json()["id"] == person.id


def test_the_sdk_reads_everything_back_under_the_same_ids(old: Old, new: Server) -> None:
    client = rg.Argilla(api_url=new.url, api_key=OWNER_KEY)
    (dataset,) = client.datasets
    assert str(dataset.id) == old.dataset_id
    done = rg.Query(filter=rg.Filter([("status", "==", "completed")]))
    found = list(dataset.records(query=done, with_responses=True, with_suggestions=True, with_vectors=True))
    assert {record.id for record in found} == {"0", "1", "2"}
    ann, bob = (person.id for person in old.annotators)
    for record in found:
        number = int(record.id)
        assert {str(one.user_id): one.value for one in record.responses["quality"]} == {ann: 1, bob: 2}
        assert {one.value for one in record.responses["correction"]} == {"it's \n better"}
        assert record.fields["prompt"] == f'"Zürich" 東京 \\ {number}'
        assert record.metadata["drift"] == 1 / (number + 7)
        assert record.suggestions["correction"].score == 1 / 3
        assert record.vectors["meaning"] == [0.1, 1e-7, number / 3]
    kept = {row[0] for row in old.content["records"]}
    assert {record._server_id.hex for record in found} <= kept


def test_the_search_index_is_complete_on_the_other_side(old: Old, new: Server) -> None:
    client = new.client()
    body = {"query": {"text": {"q": "Zürich 1999"}}}
    found = client.post(f"/datasets/{old.dataset_id}/records/search", json=body).json()
    assert [item["record"]["external_id"] for item in found["items"]] == ["1999"]


def test_answers_given_after_the_migration_are_never_overwritten(old: Old, new: Server, moved: Moved) -> None:
    person = old.annotators[0]
    client = new.client(person.client.headers["X-Argilla-Api-Key"])
    page = client.post(f"/me/datasets/{old.dataset_id}/records/search", json={}, params={"limit": 1}).json()
    answer = {"status": "submitted", "values": {"quality": {"value": 5}}}
    client.post(f"/records/{page['items'][0]['record']['id']}/responses", json=answer)
    new.end()
    before = rows(moved.database, "SELECT id, xmin::text FROM responses ORDER BY id")
    code, said = _run(old.home, moved.database)
    new.start()
    assert code == 1
    assert "Nothing was copied" in said
    assert rows(moved.database, "SELECT id, xmin::text FROM responses ORDER BY id") == before


def test_a_home_that_is_served_is_not_migrated(embedded: Server) -> None:
    with pytest.raises(HomeInUseError):
        migrate(embedded.home, "postgresql+asyncpg://argilla@127.0.0.1:1/argilla")


def test_a_folder_without_a_database_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match=r"holds no argilla\.db"):
        migrate(tmp_path / "nothing", "postgresql+asyncpg://argilla@127.0.0.1:1/argilla")
    assert not (tmp_path / "nothing").exists()


def test_a_migration_without_a_target_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ARGILLA_DATABASE_URL", raising=False)
    assert main(["migrate", "--home", str(tmp_path)]) == 1
    assert "which database?" in capsys.readouterr().err


def _tables(old: Old) -> list[source.Table]:
    with source.opened(old.home / "argilla.db") as connection:
        return [source._table(connection, name) for name in source.TABLES]


def test_a_database_with_other_data_is_refused(old: Old, on_postgres: Server) -> None:
    with (
        closing(connect(on_postgres.environment["ARGILLA_DATABASE_URL"], "test")) as connection,
        pytest.raises(MigrationError, match=r"holds other data \(\d+ users"),
    ):
        target.claim(connection, "home", _tables(old))


def test_a_database_takes_one_home(old: Old, moved: Moved) -> None:
    with closing(connect(moved.database, "test")) as connection, pytest.raises(MigrationError, match="another home"):
        target.claim(connection, "some other home", _tables(old))


@pytest.fixture
def damaged(old: Old, tmp_path: Path) -> sqlite3.Connection:
    shutil.copy(old.home / "argilla.db", tmp_path)
    connection = sqlite3.connect(tmp_path / "argilla.db", isolation_level=None)
    yield connection
    connection.close()


def test_a_row_that_postgres_cannot_hold_is_named_without_its_text(
    damaged: sqlite3.Connection, cluster: Cluster
) -> None:
    database = cluster.new_database()
    cluster.execute(
        database,
        "CREATE TABLE webhooks (id uuid PRIMARY KEY, url text, secret text, events json, enabled boolean, "
        "description text, inserted_at timestamp, updated_at timestamp)",
    )
    for number, events in enumerate(("[]", '["private", NaN]', "[]"), start=1):
        values = f"{number:032x}", "http://127.0.0.1", "s", events, 1, "2025-01-01", "2025-01-01"
        damaged.execute("INSERT INTO webhooks VALUES (?, ?, ?, ?, ?, NULL, ?, ?)", values)
    table = source._table(damaged, "webhooks")
    with (
        closing(connect(database, "test")) as connection,
        pytest.raises(MigrationError, match=f"webhooks {2:032x}: Postgres cannot hold") as refusal,
    ):
        target.write(connection, table, list(source.read(damaged, table)))
    assert "private" not in str(refusal.value)
    assert rows(database, "SELECT right(id::text, 1) FROM webhooks") == [("1",)]


def test_a_home_of_another_version_is_refused(damaged: sqlite3.Connection) -> None:
    with pytest.raises(MigrationError, match="another version"):
        source.tables_of(damaged, "a later revision")
    (revision,) = damaged.execute("SELECT version_num FROM alembic_version").fetchone()
    damaged.execute("CREATE TABLE novelties (id TEXT)")
    with pytest.raises(MigrationError, match="novelties"):
        source.tables_of(damaged, revision)


def test_half_a_copy_is_not_served_and_a_row_of_somebody_elses_is_noticed_at_the_end(
    old: Old, cluster: Cluster, tmp_path: Path
) -> None:
    """As if another server had written into the database between a kill and the next attempt."""
    database = cluster.new_database()
    _kill_when_some_are_there("workspaces", old.home, database)
    early = Server(tmp_path / "home", environment={"ARGILLA_DATABASE_URL": database}).launch()
    _, errors = early.communicate(timeout=120)
    assert early.returncode == 1
    assert "has not finished" in errors
    stranger = "INSERT INTO workspaces VALUES (gen_random_uuid(), 'stranger', now(), now())"
    cluster.execute(database, stranger)
    code, said = _run(old.home, database)
    assert code == 1
    assert "workspaces (1 rows here, 2 there)" in said
    assert "empty it" in said


def test_the_home_is_not_changed(old: Old, moved: Moved) -> None:
    assert _content(old.home) == old.content
