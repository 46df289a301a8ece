import os
import stat
from pathlib import Path

from tests.tuneloop.stack.building import layout_in
from tuneloop.stack.layout import LONGEST_SOCKET_PATH, Layout


def test_folders_are_private_even_if_they_were_not(tmp_path):
    (tmp_path / ".tuneloop").mkdir(mode=0o755)
    layout = layout_in(tmp_path)
    for folder in (layout.workspace, layout.logs, layout.run, layout.argilla):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_socket_lies_in_the_workspace():
    assert Layout(Path("/p"), Path("/p/.tuneloop")).socket == Path("/p/.tuneloop/run/supervisor.sock")


def test_a_deep_workspace_gets_a_short_socket_of_its_own():
    deep = [Layout(Path("/"), Path("/") / ("d" * 90) / name).socket for name in "ab"]
    assert deep[0] != deep[1]
    assert all(len(os.fsencode(path)) <= LONGEST_SOCKET_PATH for path in deep)
