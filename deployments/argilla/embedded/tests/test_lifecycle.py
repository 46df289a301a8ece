"""Who may use a home, what is open to whom, and where secrets go."""

import socket
import sqlite3
import stat
from pathlib import Path

import httpx
import psutil
import pytest
from argilla_embedded.home import Home
from argilla_embedded.owner import OwnerError, take_owner
from argilla_embedded.search.documents import reconcile
from argilla_embedded.search.storage import connect
from argilla_embedded.valkey import Valkey, stop_leftover
from running import Server, publish


@pytest.fixture
def server(embedded: Server) -> Server:
    return embedded


def _refusal(server: Server) -> str:
    """What a start that must not succeed prints; it has to end by itself."""
    process = server.launch()
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    return errors


def test_one_home_has_one_server(server: Server) -> None:
    assert "another argilla-embedded serves" in _refusal(Server(server.home))


def test_a_port_in_use_is_reported(server: Server, tmp_path: Path) -> None:
    assert f"port {server.port} on 127.0.0.1 is taken" in _refusal(Server(tmp_path, port=server.port))


def test_a_leftover_valkey_of_the_same_home_is_stopped(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        leftover = Valkey(home.valkey, probe.getsockname()[1], home.secret("valkey"))
    leftover.start()
    stop_leftover(home.valkey)
    assert leftover.process is not None
    assert leftover.process.wait(timeout=5) == 0


def test_a_foreign_process_behind_the_pid_file_is_left_alone(server: Server, tmp_path: Path) -> None:
    (tmp_path / "valkey.pid").write_text(str(server.process.pid))
    stop_leftover(tmp_path)
    assert server.process.poll() is None


def test_a_missing_index_is_made_from_the_database(server: Server, tmp_path: Path) -> None:
    dataset = publish(server, vectors={"meaning": 2})
    dataset.log({"external_id": "one", "fields": {"prompt": "alpha"}, "vectors": {"meaning": [3, 4]}})
    index = connect(server.home / "argilla.db", tmp_path / "search.db")
    table = f'"text_{dataset.id.replace("-", "")}"'
    assert reconcile(index) >= 1
    assert reconcile(index) == 0
    assert len(index.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH 'alpha'").fetchall()) == 1
    assert index.execute("SELECT count(*) FROM embeddings").fetchone()[0] >= 1


def test_the_index_connection_cannot_write_to_argillas_tables(server: Server, tmp_path: Path) -> None:
    index = connect(server.home / "argilla.db", tmp_path / "search.db")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        index.execute("DELETE FROM argilla.records")


def test_the_home_is_private(server: Server) -> None:
    files = [file for file in server.home.rglob("*") if file.is_file() and server.home / "tmp" not in file.parents]
    assert {file.name for file in files} >= {"argilla.db", "search.db", "auth.secret", "valkey.secret"}
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077] == []
    assert len((server.home / "auth.secret").read_text()) == 64


def test_only_the_loopback_is_served_and_the_queue_has_a_password(server: Server) -> None:
    listening = [
        connection.laddr
        for process in server.family()
        for connection in process.connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) == 2
    assert {address.ip for address in listening} == {"127.0.0.1"}
    valkey_port = next(address.port for address in listening if address.port != server.port)
    with socket.create_connection(("127.0.0.1", valkey_port)) as connection:
        connection.sendall(b"PING\r\n")
        assert connection.recv(100).startswith(b"-NOAUTH")


def test_the_web_page_is_served_and_foreign_origins_are_not(server: Server) -> None:
    assert "<title>Argilla</title>" in httpx.get(server.url).text
    foreign = httpx.get(f"{server.url}/api/v1/status", headers={"Origin": "https://elsewhere.example"})
    own = httpx.get(f"{server.url}/api/v1/status", headers={"Origin": server.url})
    assert "access-control-allow-origin" not in foreign.headers
    assert own.headers["access-control-allow-origin"] == server.url


def test_nobody_can_enter_with_published_credentials(server: Server) -> None:
    for user, password in (("argilla", "1234"), ("argilla", "12345678"), ("owner", "12345678")):
        login = {"username": user, "password": password}
        assert httpx.post(f"{server.url}/api/v1/token", data=login).status_code == 401
    for key in ("argilla.apikey", "owner.apikey"):
        assert httpx.get(f"{server.url}/api/v1/me", headers={"X-Argilla-Api-Key": key}).status_code == 401


@pytest.mark.parametrize(
    ("username", "password", "api_key"),
    [
        ("owner", "", ""),
        ("", "long-password", ""),
        ("owner", "short", ""),
        ("owner", "12345678", ""),
        ("owner", "long-password", "argilla.apikey"),
        ("owner", "long-password", "short"),
    ],
)
def test_an_incomplete_or_public_owner_is_refused(username: str, password: str, api_key: str) -> None:
    values = {"USERNAME": username, "PASSWORD": password, "API_KEY": api_key}
    with pytest.raises(OwnerError):
        take_owner({f"ARGILLA_OWNER_{name}": value for name, value in values.items()})


def test_the_owners_secrets_are_taken_out_of_the_environment() -> None:
    environment = {"ARGILLA_OWNER_USERNAME": "owner", "ARGILLA_OWNER_PASSWORD": "long-password", "PATH": "/bin"}
    owner = take_owner(environment)
    assert environment == {"PATH": "/bin"}
    assert owner is not None
    assert "long-password" not in repr(owner)
    assert take_owner({}) is None
