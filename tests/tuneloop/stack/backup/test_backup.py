from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.tuneloop.stack.backup.workspaces import a_workspace, ignore, tag
from tuneloop.errors import ServiceError
from tuneloop.stack.backup.contents import contents_of
from tuneloop.stack.backup.restoring import restore
from tuneloop.stack.backup.writing import back_up
from tuneloop.stack.environment import MARKER, marker
from tuneloop.stack.layout import Layout


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}


def without_databases(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if ".db" not in name}


@pytest.fixture
def layout(tmp_path):
    return a_workspace(tmp_path / "one")


def test_a_workspace_comes_back_as_it_was(layout, tmp_path):
    before = files_in(layout.workspace)
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    shutil.rmtree(layout.workspace)
    restore(tmp_path / "b.tar", layout, ignore, replace=False)

    after = files_in(layout.workspace)
    gone = {name for name in before if name not in after and not name.endswith(("-wal", "-shm"))}
    assert gone == {
        "logs/prefect.log",
        "run/supervisord.conf",
        "argilla/valkey/appendonly.aof",
        "argilla/search.db",
        "tmp/worker-cpu/env.json",
    }
    assert without_databases(after) == {n: c for n, c in without_databases(before).items() if n not in gone}
    assert tag(layout.workspace / "mlflow/mlflow.db", "path") == f"{layout.workspace}/models/desk/k/model"
    assert (layout.workspace / "models/base/hub/snapshot/model").readlink() == Path("../blobs/b1")


def test_files_keep_their_times_by_which_data_versions_are_listed(layout, tmp_path):
    files = [layout.workspace / "data" / name / "manifest.json" for name in ("later", "earlier")]
    for file, seconds in zip(files, (1_800_000_000.25, 1_800_000_000.125), strict=True):
        file.parent.mkdir(parents=True)
        file.write_text("{}")
        os.utime(file, (seconds, seconds))
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    shutil.rmtree(layout.workspace)
    restore(tmp_path / "b.tar", layout, ignore, replace=False)
    assert [file.stat().st_mtime for file in files] == [1_800_000_000.25, 1_800_000_000.125]


def test_archive_and_what_comes_out_of_it_are_for_the_owner_alone(layout, tmp_path):
    os.umask(0o022)
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    assert stat.S_IMODE((tmp_path / "b.tar").stat().st_mode) == 0o600
    shutil.rmtree(layout.workspace)
    restore(tmp_path / "b.tar", layout, ignore, replace=False)
    for place in (layout.workspace, *layout.workspace.rglob("*")):
        if not place.is_symlink():
            assert stat.S_IMODE(place.stat().st_mode) == (0o700 if place.is_dir() else 0o600)


def test_in_another_place_everything_names_the_new_place(layout, tmp_path):
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    other = Layout(tmp_path, tmp_path / "elsewhere" / "ws2")
    restore(tmp_path / "b.tar", other, ignore, replace=False)

    new, old = str(other.workspace), str(layout.workspace)
    round_ = json.loads((other.workspace / "rounds/desk/0001.json").read_text("utf-8"))
    assert (round_["served_path"], round_["note"]) == (f"{new}/models/desk/k/model", "ünïcode")
    report = json.loads((other.workspace / "models/desk/k/report.json").read_text("utf-8"))
    assert report == {"adapter": f"{new}/models/desk/k/adapter", "other": "/elsewhere"}
    assert tag(other.workspace / "mlflow/mlflow.db", "path") == f"{new}/models/desk/k/model"
    assert tag(other.workspace / "mlflow/mlflow.db", "other") == f"{old}-other/x"
    assert not (other.workspace / "prefect/results").exists()
    hashed = json.loads((other.workspace / "models/desk/k/model/config.json").read_text("utf-8"))
    assert hashed == {"_name_or_path": f"{old}/models/base"}  # a model's hash is over this file


def test_what_names_other_things_is_copied_before_them(layout):
    order = contents_of(layout.workspace).files
    places = [
        order.index(name)
        for name in (
            "rounds/desk/0001.json",
            "feedback/desk/ledger.jsonl",
            "argilla/argilla.db",
            "prefect/prefect.db",
            "models/desk/k/model/config.json",
            "data/v1/train.parquet",
        )
    ]
    assert places == sorted(places)
    assert order.index("mlflow/mlflow.db") < order.index("feedback/desk/ledger.jsonl")


@pytest.mark.parametrize(
    ("file", "said"),
    [("there.tar", "exists already"), ("one/ws/b.tar", "lies in the workspace"), ("no/b.tar", "there is no folder")],
)
def test_where_no_archive_may_be_is_said_before_anything_is_copied(layout, tmp_path, file, said):
    (tmp_path / "there.tar").write_text("mine")
    with pytest.raises(ServiceError, match=said):
        back_up(layout.workspace, tmp_path / file, ignore)
    assert (tmp_path / "there.tar").read_text() == "mine"


def test_a_disk_without_room_is_noticed_first(layout, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(ServiceError, match="another disk"):
        back_up(layout.workspace, tmp_path / "b.tar", ignore)
    assert [f.name for f in tmp_path.iterdir()] == ["one"]


def test_a_workspace_that_is_there_is_replaced_only_when_asked_and_kept(layout, tmp_path):
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    (layout.workspace / "signing.key").write_text("newer")
    with pytest.raises(ServiceError, match="--replace"):
        restore(tmp_path / "b.tar", layout, ignore, replace=False)
    restore(tmp_path / "b.tar", layout, ignore, replace=True)
    assert (layout.workspace / "signing.key").read_text() == "ab" * 32
    (kept,) = layout.workspace.parent.glob("ws.before-*")
    assert (kept / "signing.key").read_text() == "newer"


def test_a_workspace_in_use_is_not_replaced(layout, tmp_path):
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    variables = {**os.environ, MARKER: marker("mlflow", layout)}
    with subprocess.Popen([sys.executable, "-c", "input()"], env=variables, stdin=subprocess.PIPE) as process:
        with pytest.raises(ServiceError, match="tuneloop down"):
            restore(tmp_path / "b.tar", layout, ignore, replace=True)
        process.communicate(b"\n")
    assert (layout.workspace / "signing.key").exists()


def test_two_backups_to_one_file_do_not_mix(layout, tmp_path):
    def second(_done, _total):
        with pytest.raises(ServiceError, match="another backup"):
            back_up(layout.workspace, tmp_path / "b.tar", ignore)

    back_up(layout.workspace, tmp_path / "b.tar", second)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["b.tar", "one"]


KILLED = """
import os, signal, sys
from pathlib import Path
from tuneloop.stack.backup.writing import back_up
def die(done, total):
    if done > total // 2:
        os.kill(os.getpid(), signal.SIGKILL)
back_up(Path(sys.argv[1]), Path(sys.argv[2]), die)
"""


def test_a_killed_backup_leaves_no_archive_and_the_next_one_cleans_up(layout, tmp_path):
    (layout.workspace / "models/desk/k/model/weights").write_bytes(os.urandom(5_000_000))
    file = tmp_path / "b.tar"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(layout.workspace), str(file)], check=False)
    assert killed.returncode == -9
    assert not file.exists()
    back_up(layout.workspace, file, ignore)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["b.tar", "one"]


def test_of_a_file_that_is_being_written_only_whole_lines_are_taken(layout, tmp_path):
    ledger = layout.workspace / "feedback/desk/ledger.jsonl"
    with ledger.open("a") as stream:
        stream.write('{"half": ')
    old = layout.workspace / "feedback/desk/old.jsonl"
    old.write_text('{"no": "line end"}')
    os.utime(old, (time.time() - 3600,) * 2)
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    with tarfile.open(tmp_path / "b.tar") as tar:
        texts = {n: tar.extractfile(f"feedback/desk/{n}.jsonl").read() for n in ("ledger", "old")}
    assert texts == {"ledger": b'{"a": 1}\n{"b": 2}\n', "old": b'{"no": "line end"}'}
