from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuneloop.readable_files import fault_of, is_missing


def test_a_file_is_fine_also_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")

    assert [fault_of(tmp_path / name, max_bytes=1) for name in "ab"] == [None, None]


def test_what_can_block_its_reader_or_has_no_end_is_refused_unopened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    faults = [fault_of(Path(path)) for path in (tmp_path / "pipe", "/dev/zero", "/proc/self/mem", tmp_path / "loop")]

    assert all(faults)
    assert "is a folder" in str(fault_of(tmp_path))


def test_a_file_that_is_too_large_tells_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(2 * 1024**2))

    assert fault_of(tmp_path / "a", max_bytes=1024**2) == "has 2.0 MiB, and at most 1 are read; split it"


@pytest.mark.parametrize(("name", "missing"), [("none", True), ("dangling", False), ("x" * 300, False)])
def test_missing_is_what_nothing_has_the_name_of(tmp_path: Path, name: str, *, missing: bool) -> None:
    (tmp_path / "dangling").symlink_to("nowhere")

    assert is_missing(tmp_path / name) is missing
