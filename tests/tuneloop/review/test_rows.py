import signal
import subprocess
import sys
from pathlib import Path

from tuneloop.review.rows import locked, read_rows, write_rows

KILLED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from tuneloop.review.rows import locked, write_rows

def rows():
    yield {"correction": "words of a person" * 1000}
    os.kill(os.getpid(), signal.SIGKILL)

with locked(Path(sys.argv[1])):
    write_rows(Path(sys.argv[1]) / "responses.jsonl", rows())
"""


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_what_a_killed_writer_left_is_gone_with_the_next_one(tmp_path):
    with locked(tmp_path):
        write_rows(tmp_path / "responses.jsonl", [{"n": 1}])
    killed = subprocess.run([sys.executable, "-c", KILLED_WHILE_WRITING, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert read_rows(tmp_path / "responses.jsonl") == [{"n": 1}]
    assert len(names(tmp_path)) == 3
    with locked(tmp_path):
        assert names(tmp_path) == {".lock", "responses.jsonl"}
