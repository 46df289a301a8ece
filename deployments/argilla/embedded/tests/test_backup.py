"""A backup taken while people work, and served."""

import shutil
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest
from argilla_embedded.backup import BackupError, back_up
from argilla_embedded.home import Home
from running import Dataset, Server, publish


def _back_up(home: Path, copy: Path) -> None:
    command = [sys.executable, "-m", "argilla_embedded.cli", "backup", "--home", str(home), "--to", str(copy)]
    subprocess.run(command, check=True, timeout=120)


def test_a_backup_taken_while_records_are_written_is_a_whole_home(tmp_path: Path) -> None:
    server = Server(tmp_path / "home").start()
    dataset = publish(server, vectors={"meaning": 2})
    logged: list[str] = []
    enough, stop = threading.Event(), threading.Event()

    def write() -> None:
        while not stop.is_set():
            names = [f"word{len(logged) + n}" for n in range(10)]
            dataset.log(
                *({"external_id": name, "fields": {"prompt": name}, "vectors": {"meaning": [1, 0]}} for name in names)
            )
            logged.extend(names)
            if len(logged) >= 100:
                enough.set()

    writer = threading.Thread(target=write)
    writer.start()
    assert enough.wait(120)
    before = list(logged)
    _back_up(server.home, tmp_path / "backup")
    stop.set()
    writer.join()
    login = httpx.post(f"{server.url}/api/v1/token", data={"username": "owner", "password": "owner-password"})
    server.end(signal.SIGKILL)
    shutil.rmtree(server.home)

    restored = Server(tmp_path / "backup", environment={}).start()
    session = {"Authorization": f"Bearer {login.json()['access_token']}"}
    assert httpx.get(f"{restored.url}/api/v1/me", headers=session).json()["username"] == "owner"
    again = Dataset(dataset.id, dataset.workspace_id, restored.client(), restored)
    found = again.search("word*", limit=1000).names
    assert set(before) <= set(found) <= set(logged) | {f"word{len(logged) + n}" for n in range(10)}
    assert len(found) % 10 == 0  # a bulk is in it or not
    assert again.search(vector={"name": "meaning", "value": [1, 0]}, limit=1000).total == min(len(found), 1000)
    restored.end()


def test_a_backup_is_private(embedded: Server, tmp_path: Path) -> None:
    _back_up(embedded.home, tmp_path / "new" / "backup")
    files = [tmp_path / "new" / "backup", *(tmp_path / "new" / "backup").iterdir()]
    assert {file.name for file in files[1:]} == {"argilla.db", "auth.secret"}
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077] == []


def test_an_older_backup_is_never_overwritten(embedded: Server, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="exists already"):
        back_up(embedded.home, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_was_killed_is_begun_anew(embedded: Server, tmp_path: Path) -> None:
    (tmp_path / "backup.unfinished").mkdir()
    (tmp_path / "backup.unfinished" / "argilla.db").write_text("half a database")
    _back_up(embedded.home, tmp_path / "backup")
    assert [file.name for file in tmp_path.iterdir()] == ["backup"]


def test_a_home_whose_rows_are_in_postgres_is_sent_to_its_own_tools(embedded: Server, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="pg_dump"):
        back_up(tmp_path, tmp_path / "backup")
    _back_up(embedded.home, tmp_path / "moved")
    (tmp_path / "moved" / "mirror.db").touch()  # an older argilla.db lies beside it
    with pytest.raises(BackupError, match="last served from Postgres"):
        back_up(tmp_path / "moved", tmp_path / "backup")
    Home(tmp_path / "moved").forget_mirror()
    back_up(tmp_path / "moved", tmp_path / "backup")
