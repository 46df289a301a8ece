from __future__ import annotations

import getpass
import platform
import subprocess
from pathlib import Path

import numpy as np

from tuneloop.registry.environment import environment_of


def git(root: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    return subprocess.run(
        ["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_folder_that_is_no_checkout_has_machine_and_libraries_alone(tmp_path: Path) -> None:
    found = environment_of(tmp_path)
    assert found["python"] == platform.python_version()
    assert found["numpy"] == np.__version__
    assert found["cpu"]
    assert {"commit", "uncommitted", "lock"}.isdisjoint(found)


def test_a_checkout_has_its_commit_and_a_hash_of_what_differs_from_it(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "one")
    clean = environment_of(tmp_path)
    assert clean["commit"] == git(tmp_path, "rev-parse", "HEAD")
    assert clean["uncommitted"] == ""
    (tmp_path / "code.py").write_text("x = 2\n")
    (tmp_path / "notes.txt").write_text("untracked")
    two = environment_of(tmp_path)["uncommitted"]
    (tmp_path / "code.py").write_text("x = 3\n")
    three = environment_of(tmp_path)["uncommitted"]
    assert len({"", two, three}) == 3


def test_another_content_of_a_lock_file_is_another_lock(tmp_path: Path) -> None:
    lock = tmp_path / "requirements" / "cpu.lock"
    lock.parent.mkdir()
    lock.write_text("torch==2.13.0\n")
    before = environment_of(tmp_path)["lock"]
    lock.write_text("torch==2.13.1\n")
    assert environment_of(tmp_path)["lock"] != before


def test_neither_people_nor_hosts_nor_folders_are_named(tmp_path: Path) -> None:
    told = " ".join(environment_of(tmp_path).values())
    for name in (getpass.getuser(), platform.node(), str(tmp_path), str(Path.home())):
        assert name not in told
