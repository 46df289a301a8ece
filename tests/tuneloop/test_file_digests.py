from __future__ import annotations

import os
from pathlib import Path

import pytest

from tuneloop.files import changes, contents_hash, file_digests, folder_bytes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "model"
    (found / "deep").mkdir(parents=True)
    (found / "model.safetensors").write_bytes(b"weights")
    (found / "deep" / "config.json").write_text("{}")
    return found


def overwritten(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"weighed")


def overwritten_with_the_old_times(folder: Path) -> None:
    file = folder / "model.safetensors"
    times = file.stat()
    file.write_bytes(b"weighed")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def with_code(folder: Path) -> None:
    (folder / "modeling_tiny.py").write_text("import os")


def with_a_pickle(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")


def with_a_hidden_file(folder: Path) -> None:
    (folder / "deep" / ".config.json").write_text("{}")


def with_a_linked_folder(folder: Path) -> None:
    (folder / "tokenizer").symlink_to(folder.parent)


def with_a_pipe(folder: Path) -> None:
    os.mkfifo(folder / "chat_template.jinja")


def without_a_file(folder: Path) -> None:
    (folder / "deep" / "config.json").unlink()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (overwritten, "model.safetensors changed"),
        (overwritten_with_the_old_times, "model.safetensors changed"),
        (with_code, "modeling_tiny.py was added"),
        (with_a_pickle, "pytorch_model.bin was added"),
        (with_a_hidden_file, "deep/.config.json was added"),
        (with_a_linked_folder, "tokenizer was added"),
        (with_a_pipe, "chat_template.jinja was added"),
        (without_a_file, "deep/config.json is gone"),
    ],
)
def test_whatever_is_done_to_a_folder_is_named(folder, change, said) -> None:
    before = file_digests(folder)
    assert changes(before, file_digests(folder)) == []
    change(folder)
    assert changes(before, file_digests(folder)) == [said]
    assert contents_hash(file_digests(folder)) != contents_hash(before)


def test_what_is_read_is_told_as_it_is_read(folder: Path) -> None:
    read: list[int] = []
    file_digests(folder, read.append)
    assert sum(read) == folder_bytes(folder) == len(b"weights") + len("{}")


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path) -> None:
    assert file_digests(tmp_path / "gone") == {}


def test_a_file_that_cannot_be_read_is_no_file_that_was_sealed(folder: Path, monkeypatch) -> None:
    before = file_digests(folder)
    opened = Path.open

    def refuse(self: Path, *arguments, **options):
        if self.name == "config.json":
            raise PermissionError(13, "Permission denied")
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", refuse)
    assert changes(before, file_digests(folder)) == ["deep/config.json changed"]
