"""Files under fire: the process is killed at every single line of `tuneloop.files` that a call runs through."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tuneloop import files
from tuneloop.errors import DataError
from tuneloop.files import append_jsonl, appending, atomic_path, atomic_write, lock, read_jsonl, write_jsonl

OLD, NEW = "old\n", "new\n" * 1000


def killed_at_line(number: int, call: Callable[[], object]) -> bool:
    """Whether a child that runs `call` was killed before the numbered line of files.py; False: it ended by itself."""
    child = os.fork()
    if child == 0:
        left = number

        def trace(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal left
            if frame.f_code.co_filename != files.__file__:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        try:
            call()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def kill_everywhere(call: Callable[[], object], prepare: Callable[[], object], check: Callable[[], object]) -> int:
    """Kill `call` at each of its lines in turn, each time on what `prepare` makes; returns how many there were."""
    number = 1
    while True:
        prepare()
        was_killed = killed_at_line(number, call)
        check()
        if not was_killed:
            return number
        number += 1


def test_a_write_that_is_killed_anywhere_leaves_the_old_or_the_new_file_and_the_next_one_no_draft(tmp_path):
    file = tmp_path / "folder" / "file.txt"

    def check() -> None:
        assert file.read_text() in {OLD, NEW}
        atomic_write(file, NEW)
        assert file.read_text() == NEW
        assert list(file.parent.iterdir()) == [file]

    lines = kill_everywhere(lambda: atomic_write(file, NEW), lambda: atomic_write(file, OLD), check)
    assert lines > 20


def test_an_append_that_is_killed_anywhere_leaves_whole_rows_and_the_next_append_goes_on(tmp_path):
    log = tmp_path / "log.jsonl"

    def prepare() -> None:
        log.write_text('{"n": 1}\n{"n": 2')  # an earlier kill tore its second line

    def check() -> None:
        found = [row["n"] for row in read_jsonl(log, on_torn="skip")]
        assert found in ([1], [1, 3, 4])
        append_jsonl(log, [{"n": 5}])
        assert [row["n"] for row in read_jsonl(log)] == [*found, 5]

    lines = kill_everywhere(lambda: append_jsonl(log, [{"n": 3}, {"n": 4}]), prepare, check)
    assert lines > 20


def test_a_lock_is_let_go_wherever_its_holder_is_killed(tmp_path):
    file = tmp_path / "lock"

    def hold() -> None:
        with lock(file):
            pass

    def check() -> None:
        with lock(file, timeout_seconds=0):
            pass

    assert kill_everywhere(hold, lambda: None, check) > 5


def test_a_write_that_fails_leaves_the_old_file_and_no_draft(tmp_path):
    file = tmp_path / "file.txt"
    atomic_write(file, OLD)

    def fails() -> Any:
        yield "half"
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        atomic_write(file, fails())
    assert file.read_text() == OLD
    assert list(tmp_path.iterdir()) == [file]


def test_a_library_that_writes_by_path_writes_beside(tmp_path):
    file = tmp_path / "table.bin"
    file.write_bytes(b"old")
    with atomic_path(file) as draft:
        draft.write_bytes(b"new")
        assert file.read_bytes() == b"old"
    assert file.read_bytes() == b"new"


def test_what_is_written_is_its_owners_alone_from_the_first_byte_on(tmp_path):
    file = tmp_path / "new" / "file.txt"
    with atomic_path(file) as draft:
        assert stat.S_IMODE(draft.stat().st_mode) == 0o600
    append_jsonl(tmp_path / "log.jsonl", [{"a": 1}])
    with lock(tmp_path / "lock"):
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (file, tmp_path / "log.jsonl", tmp_path / "lock")]
    assert modes == [0o600, 0o600, 0o600]
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_file_may_be_made_for_others_to_read(tmp_path):
    atomic_write(tmp_path / "report.html", "x", mode=files.PUBLIC)
    assert stat.S_IMODE((tmp_path / "report.html").stat().st_mode) == 0o644


def test_the_draft_of_a_process_that_lives_is_left_alone(tmp_path):
    file = tmp_path / "[a]*.txt"
    living, dead = (tmp_path / f".{file.name}.{process}-1.tmp" for process in (os.getppid(), 4_194_305))
    living.touch()
    dead.touch()
    atomic_write(file, "x")
    assert living.exists()
    assert not dead.exists()


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [{"text": "zwölf \u2028 \n 人"}, {"half": "\ud83d"}]
    write_jsonl(tmp_path / "rows.jsonl", rows, errors="surrogatepass")
    assert list(read_jsonl(tmp_path / "rows.jsonl")) == rows


def test_a_file_that_does_not_exist_has_no_rows(tmp_path):
    assert list(read_jsonl(tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize("line", ['{"n": ', "[1]", "\xff"])
def test_a_line_that_is_not_an_object_is_an_error_that_names_file_and_line_or_is_skipped(tmp_path, line):
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"n": 1}\n\n' + line.encode("latin-1") + b"\n" + b'{"n": 2}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl line 3 is not a JSON object"):
        list(read_jsonl(file))
    assert [row["n"] for row in read_jsonl(file, on_torn="skip")] == [1, 2]


def test_a_last_line_without_its_break_is_kept_where_others_edit_the_file(tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"n": 1}')
    with appending(log, is_edited_by_others=True) as stream:
        stream.write(b'{"n": 2}\n')
    assert [row["n"] for row in read_jsonl(log)] == [1, 2]


def test_an_append_that_waited_while_the_file_was_replaced_lands_in_the_new_one(tmp_path):
    log = tmp_path / "log.jsonl"
    append_jsonl(log, [{"n": 1}])
    code = f"import tuneloop.files as f, pathlib; f.append_jsonl(pathlib.Path({str(log)!r}), [{{'n': 3}}])"
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with appending(log):
        waits = subprocess.Popen([sys.executable, "-c", code], env=variables)
        deadline = time.monotonic() + 60
        while not is_waiting_for(log) and time.monotonic() < deadline:
            time.sleep(0.02)
        write_jsonl(log, [{"n": 2}])
    assert waits.wait(60) == 0
    assert [row["n"] for row in read_jsonl(log)] == [2, 3]


def is_waiting_for(file: Path) -> bool:
    """Whether a process waits for the lock on the file, as /proc/locks tells it."""
    inode = f":{file.stat().st_ino} "
    return any("->" in line and inode in line for line in Path("/proc/locks").read_text().splitlines())


def test_a_lock_that_another_process_holds_is_waited_for_no_longer_than_told(tmp_path):
    with lock(tmp_path / "lock"), pytest.raises(TimeoutError), lock(tmp_path / "lock", timeout_seconds=0.1):
        pass


def test_json_lines_are_one_line_each_whatever_the_text(tmp_path):
    append_jsonl(tmp_path / "log.jsonl", [{"text": "a\nb\r\u2028c"}])
    assert len((tmp_path / "log.jsonl").read_bytes().split(b"\n")) == 2
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"text": "a\nb\r\u2028c"}
