"""Errors of the system become sentences at the edge: a full disk, a read-only one, a file of another user."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tuneloop.cli.app import PlainErrors
from tuneloop.cli.failures import REMEDIES, sentence_of


@pytest.mark.parametrize("number", REMEDIES, ids=errno.errorcode.get)
def test_each_known_error_names_the_file_and_a_remedy(tmp_path: Path, number: int) -> None:
    sentence = sentence_of(OSError(number, os.strerror(number), "/some/file"), tmp_path)

    assert sentence is not None
    assert sentence.startswith("/some/file ")
    assert ";" in sentence or ":" in sentence or "," in sentence, "says what to do"


def test_a_full_disk_names_the_places_that_may_be_full(tmp_path: Path) -> None:
    sentence = sentence_of(OSError(errno.ENOSPC, "No space left on device"), tmp_path / "not-there-yet")

    assert sentence is not None
    assert str(tmp_path) in sentence
    assert "free some space" in sentence


def test_a_path_that_the_workspace_noted_before_it_was_moved_tells_of_both_places(tmp_path: Path) -> None:
    (tmp_path / "new" / "models" / "tea").mkdir(parents=True)
    missing = str(tmp_path / "old" / "models" / "tea")

    sentence = sentence_of(OSError(errno.ENOENT, "No such file", missing), tmp_path / "new")

    assert sentence is not None
    assert f"ln -s {tmp_path / 'new'} {tmp_path / 'old'}" in sentence


def test_an_error_without_a_known_remedy_is_left_a_bug(tmp_path: Path) -> None:
    assert sentence_of(OSError(errno.EBADF, "Bad file descriptor"), tmp_path) is None


def test_the_command_line_shows_one_sentence_and_no_traceback(tmp_path: Path) -> None:
    app = typer.Typer(cls=PlainErrors)
    app.callback()(lambda: None)

    @app.command()
    def write() -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "x"))

    result = CliRunner().invoke(app, ["write"], env={"TUNELOOP_WORKSPACE": str(tmp_path)})

    assert result.exit_code == 1
    assert result.output == f"error: {tmp_path / 'x'} {REMEDIES[errno.EROFS]}\n"


PROJECT = Path(__file__).parents[3]


def on_small_disk(tmp_path: Path, options: str, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a mount namespace of its own, where `tmp_path/disk` is a disk mounted with these options."""
    (tmp_path / "disk").mkdir()
    script = f"mount -t tmpfs -o {options} tmpfs {tmp_path}/disk && {command}"
    return subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={
            **os.environ,
            "PYTHONPATH": str(PROJECT),  # whatever folder the tests before this one have gone to
            "TUNELOOP_ROOT": str(tmp_path),
            "TUNELOOP_WORKSPACE": "disk/ws",
            "TUNELOOP_ARGILLA_BIN": "/bin/true",
        },
    )


def can_mount() -> bool:
    probe = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    )


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs the right to mount (root, or a user namespace)")
TUNELOOP = f"{sys.executable} -m tuneloop.cli"


@needs_mount
@pytest.mark.integration
def test_up_on_a_full_disk_says_so(tmp_path: Path) -> None:
    full = on_small_disk(tmp_path, "size=64k", f"cat /dev/zero > {tmp_path}/disk/ballast; {TUNELOOP} up")

    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "the disk is full" in full.stderr
    assert f"the workspace ({tmp_path}/disk/ws)" in full.stderr


@needs_mount
@pytest.mark.integration
def test_up_on_a_read_only_disk_says_so(tmp_path: Path) -> None:
    read_only = on_small_disk(tmp_path, "ro", f"{TUNELOOP} up")

    assert read_only.returncode == 1
    assert "Traceback" not in read_only.stderr
    assert f"{tmp_path}/disk/ws" in read_only.stderr
    assert "mounted read-only" in read_only.stderr


@needs_mount
@pytest.mark.integration
@pytest.mark.parametrize(
    ("worsen", "said"),
    [("mount -o remount,ro disk", "mounted read-only"), ("cat /dev/zero > disk/ballast", "the disk is full")],
)
def test_review_import_onto_a_disk_without_room_says_so(tmp_path: Path, worsen: str, said: str) -> None:
    publish = (
        "from pathlib import Path; from tests.tuneloop.adapters.file_backend.filling import FORM, item;"
        "from tuneloop.adapters.file_backend import FileBackend; from tuneloop.pseudonyms import pseudonym_key;"
        f"ws = Path('{tmp_path}/disk/ws'); out = FileBackend(ws / 'review-files/tea', pseudonym_key=pseudonym_key(ws));"
        "out.publish('tea-round-1', [item(1)], FORM)"
    )
    (tmp_path / "filled.csv").write_text("item,rating,reviewer\ntea-round-1/i1,4,Ann\n")
    done = on_small_disk(
        tmp_path,
        "size=4m",
        f'{sys.executable} -c "{publish}" && cd {tmp_path} && {{ {worsen}; {TUNELOOP} review import filled.csv; }}',
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said in done.stderr
