"""An archive may come from anywhere: nothing of one that is not as we write them takes its place."""

from __future__ import annotations

import io
import json
import shutil
import tarfile

import pytest

from tests.tuneloop.stack.backup.workspaces import a_workspace, ignore
from tuneloop.errors import ServiceError
from tuneloop.stack.backup.contents import NAME
from tuneloop.stack.backup.restoring import restore
from tuneloop.stack.backup.writing import back_up
from tuneloop.stack.layout import Layout


def member(name, content=b"x", kind=tarfile.REGTYPE, target="", **headers):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.pax_headers = kind, target, len(content), headers
    return info, content


def archive(file, *members, links=None):
    manifest = {"version": "1", "created_at": "", "workspace": "/w", "files": {}, "links": links or {}}
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for info, content in (*members, member(NAME, json.dumps(manifest).encode())):
            tar.addfile(info, io.BytesIO(content))
    return file


@pytest.fixture
def target(tmp_path):
    return Layout(tmp_path, tmp_path / "target" / "ws")


def assert_refused(file, target, said):
    with pytest.raises(ServiceError, match=said):
        restore(file, target, ignore, replace=False)
    assert not target.workspace.exists()
    assert not target.workspace.parent.exists() or list(target.workspace.parent.iterdir()) == []


@pytest.mark.parametrize(
    "bad",
    [
        member("../out"),
        member("a/../../out"),
        member("/tmp/tuneloop-out"),
        member("a//b"),
        member("./a"),
        member(""),
        member("link", b"", tarfile.SYMTYPE, "/etc"),
        member("hard", b"", tarfile.LNKTYPE, "stack.json"),
        member("device", b"", tarfile.CHRTYPE),
        member("pipe", b"", tarfile.FIFOTYPE),
        member("folder", b"", tarfile.DIRTYPE),
        member("sparse", b"1\n0\n1\n", **{"GNU.sparse.major": "0", "GNU.sparse.realsize": "9000000000000"}),
        member("hole", b"x", **{"GNU.sparse.map": "0,1", "GNU.sparse.size": "9000000000000"}),
    ],
    ids=lambda bad: repr(bad[0].name),
)
def test_only_plain_files_with_plain_names_are_unpacked(tmp_path, target, bad):
    assert_refused(archive(tmp_path / "b.tar", bad), target, "do not use this archive|is no backup")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_there_twice_is_refused(tmp_path, target):
    assert_refused(archive(tmp_path / "b.tar", member("a"), member("a")), target, "do not use this archive")


def test_a_file_that_the_manifest_does_not_know_is_refused(tmp_path, target):
    assert_refused(archive(tmp_path / "b.tar", member("a")), target, "is damaged: 'a'")


@pytest.mark.parametrize(
    "links", [{"a": "../out"}, {"a": "/etc"}, {"../a": "b"}, {"a": "b/.."}, {"d": "e", "d/x": "f"}]
)
def test_a_link_never_leads_out_nor_through_another(tmp_path, target, links):
    file = archive(tmp_path / "b.tar", links=links)
    assert_refused(file, target, "do not use this archive")


@pytest.fixture
def sound(tmp_path):
    layout = a_workspace(tmp_path / "one")
    back_up(layout.workspace, tmp_path / "b.tar", ignore)
    shutil.rmtree(layout.workspace)
    return tmp_path / "b.tar"


def test_a_changed_byte_is_found_wherever_it_is(sound, target):
    content = bytearray(sound.read_bytes())
    place = content.find(b"weights")
    content[place] ^= 1
    sound.write_bytes(content)
    assert_refused(sound, target, r"is damaged: 'models/base/hub/blobs/b1'")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.8])
def test_an_archive_that_was_cut_off_is_refused(sound, target, share):
    content = sound.read_bytes()
    sound.write_bytes(content[: int(len(content) * share)])
    assert_refused(sound, target, "cut off|is no backup")


@pytest.mark.parametrize("content", [b"no tar at all" * 100, b"\x1f\x8b" + b"x" * 2000, b"\0" * 4096])
def test_what_is_no_archive_is_refused(tmp_path, target, content):
    (tmp_path / "b.tar").write_bytes(content)
    assert_refused(tmp_path / "b.tar", target, "is no backup|cut off")


def test_a_missing_archive_is_named(tmp_path, target):
    assert_refused(tmp_path / "none.tar", target, "there is no backup at .*none.tar")


def test_a_refused_archive_leaves_the_workspace_that_is_there(sound, tmp_path):
    layout = a_workspace(tmp_path / "two")
    (layout.workspace / "signing.key").write_text("mine")
    sound.write_bytes(sound.read_bytes()[:-20_000])
    with pytest.raises(ServiceError):
        restore(sound, layout, ignore, replace=True)
    assert (layout.workspace / "signing.key").read_text() == "mine"
