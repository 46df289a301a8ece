import os
import stat
from pathlib import Path

import pytest

from tests.tuneloop.stack.building import layout_in
from tuneloop.errors import ServiceError
from tuneloop.stack.layout import LONGEST_SOCKET_PATH, LONGEST_TEMPORARY_PATH, Layout


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


def test_start_and_stop_agree_on_the_socket_whatever_the_shell_calls_its_folder_for_temporary_files(
    monkeypatch, tmp_path
):
    deep = Layout(Path("/"), Path("/") / ("d" * 90))
    started = deep.socket
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert deep.socket == started


def test_each_service_has_a_folder_for_temporary_files_that_sockets_fit_into():
    near, deep = (Layout(Path("/p"), Path(place)) for place in ("/p/.tuneloop", "/" + "d" * 90))
    assert near.temporary("worker-cpu") == Path("/p/.tuneloop/tmp/worker-cpu")
    assert deep.temporary("worker-cpu").is_relative_to(deep.short)
    assert len(os.fsencode(deep.temporary("worker-training"))) <= LONGEST_TEMPORARY_PATH


def test_a_link_where_the_short_folder_belongs_is_not_followed(tmp_path, monkeypatch):
    monkeypatch.setattr("tuneloop.stack.layout.SYSTEM_TEMPORARY", tmp_path)
    layout = Layout(tmp_path, tmp_path / ("d" * 90))
    layout.short.symlink_to(tmp_path)
    with pytest.raises(ServiceError, match="is a link"):
        layout.create()
