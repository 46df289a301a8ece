"""Write a workspace into one archive while it is in use."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from tuneloop import __version__
from tuneloop.errors import ServiceError
from tuneloop.files import force_to_disk, lock
from tuneloop.stack.backup.contents import (
    NAME,
    REGISTRY,
    Contents,
    Entry,
    Manifest,
    contents_of,
    copy_database,
    is_database,
    is_registry,
)

Report = Callable[[int, int], None]
"""Called with the bytes that are done and those that there are."""

TRIES = 20
PAUSE_SECONDS = 0.5
GROWING_SECONDS = 2.0
BLOCK = 1 << 20
TAR_OVERHEAD = 2048


def back_up(workspace: Path, file: Path, report: Report) -> Manifest:
    """Write the archive `file`, mode 0600: whole, or not at all. Plain tar, since weights and Parquet do not shrink.

    Databases are copied through SQLite, growing files up to their last whole line. See `contents` for the order.

    Raises:
        ServiceError: there is no workspace, the file is there already or would lie in the workspace, the disk has no
            room, or the loop did not stand still for the moment that rounds and registry need.
    """
    file = file.absolute()
    if not workspace.is_dir():
        raise ServiceError(f"there is no workspace at {workspace}; TUNELOOP_WORKSPACE names another one")
    if file.exists():
        raise ServiceError(f"{file} exists already: name a new file")
    if file.resolve().is_relative_to(workspace.resolve()):
        raise ServiceError(f"{file} lies in the workspace that it would be a copy of: name a file elsewhere")
    if not file.parent.is_dir():
        raise ServiceError(f"there is no folder {file.parent}: make it first")
    with _scratch(file) as scratch:
        total = _require_room(workspace, contents_of(workspace), file.parent)
        unfinished = scratch / "archive.tar"
        manifest = _Writer(workspace, scratch, total, report).write(unfinished)
        unfinished.replace(file)
    force_to_disk(file.parent)
    return manifest


@contextmanager
def _scratch(file: Path) -> Iterator[Path]:
    """A private folder beside the archive; what a killed backup left in it goes."""
    folder = file.with_name(f".{file.name}.unfinished")
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(folder / "lock", timeout_seconds=0))
        except TimeoutError:
            raise ServiceError(f"another backup writes {file}: wait for it, or name another file") from None
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _require_room(workspace: Path, contents: Contents, folder: Path) -> int:
    sizes = {path: size for path in contents.files if (size := _size(workspace / path)) is not None}
    copies = sum(size for path, size in sizes.items() if is_database(workspace / path))
    total = sum(sizes.values())
    needed = total + copies + TAR_OVERHEAD * len(sizes)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ServiceError(
            f"the backup needs {needed / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB left: name a file on "
            "another disk, or make room (`tuneloop data log` shows old data versions)"
        )
    return total


class _Writer:
    def __init__(self, workspace: Path, scratch: Path, total: int, report: Report) -> None:
        self._workspace = workspace
        self._scratch = scratch
        self._total = total
        self._report = report
        self._done = 0
        self._entries: dict[str, Entry] = {}

    def write(self, unfinished: Path) -> Manifest:
        """The registry first, then all else; the manifest is the last to come."""
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                self._add_registry(tar)
                contents = contents_of(self._workspace)  # only now: what the registry names is there
                for path in contents.files:
                    if not is_registry(path):
                        self._add_any(tar, path)
                manifest = self._manifest(contents.links)
                _add_bytes(tar, NAME, manifest.model_dump_json(indent=1).encode())
            stream.flush()
            os.fsync(stream.fileno())
        return manifest

    def _manifest(self, links: dict[str, str]) -> Manifest:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        there = {
            path: target
            for path, target in links.items()
            if target in self._entries or _is_folder(target, self._entries)
        }
        return Manifest(
            version=__version__, created_at=now, workspace=str(self._workspace), files=self._entries, links=there
        )

    def _add_registry(self, tar: tarfile.TarFile) -> None:
        """Rounds, audit trails and the registry's database as they stood together."""
        copies = self._scratch / "together"
        for _ in range(TRIES):
            names = [path for path in contents_of(self._workspace).files if is_registry(path)]
            before = self._marks(names)
            shutil.rmtree(copies, ignore_errors=True)
            if before is not None and self._copied(names, copies) and before == self._marks(names):
                for path in names:
                    self._add(tar, path, copies / path)
                return
            time.sleep(PAUSE_SECONDS)
        raise ServiceError(
            "the loop writes rounds all the time, so none of them could be copied together with the registry: wait "
            "until `tuneloop status` shows no run that ends, and try again"
        )

    def _copied(self, names: Sequence[str], copies: Path) -> bool:
        for path in names:
            (copies / path).parent.mkdir(parents=True, exist_ok=True)
            try:
                if path == REGISTRY:
                    copy_database(self._workspace / path, copies / path)
                else:
                    shutil.copyfile(self._workspace / path, copies / path)
            except FileNotFoundError:
                return False
        return True

    def _marks(self, names: Sequence[str]) -> list[tuple[str, int, int, int]] | None:
        """What changes with a file, None where other files are there. Not of the database: whoever changes what is in
        it writes a round or a line of a trail as well, before and after."""
        try:
            if [path for path in contents_of(self._workspace).files if is_registry(path)] != list(names):
                return None
            found = [(path, (self._workspace / path).stat()) for path in names if path != REGISTRY]
        except FileNotFoundError:
            return None
        return [(path, s.st_ino, s.st_size, s.st_mtime_ns) for path, s in found]

    def _add_any(self, tar: tarfile.TarFile, path: str) -> None:
        original = self._workspace / path
        if not is_database(original):
            self._add(tar, path, original)
            return
        copy = self._scratch / "database"
        copy_database(original, copy)
        self._add(tar, path, copy)
        copy.unlink()

    def _add(self, tar: tarfile.TarFile, path: str, content: Path) -> None:
        """One file; one that was temporary and is gone was never part of the workspace."""
        try:
            stream = content.open("rb")
        except FileNotFoundError:
            return
        with stream:
            status = os.fstat(stream.fileno())
            size = _whole_lines(stream, status) if path.endswith(".jsonl") else status.st_size
            hashed = _Hashed(stream, self._progress)
            try:
                tar.addfile(_member(path, size, status.st_mtime), hashed)  # type: ignore[arg-type]
            except OSError as error:
                raise ServiceError(f"{content} could not be copied ({error}): try again") from error
        self._entries[path] = Entry(sha256=hashed.digest.hexdigest(), size=size)

    def _progress(self, count: int) -> None:
        self._done += count
        self._report(min(self._done, self._total), self._total)


class _Hashed:
    """A file that is hashed as tar reads it."""

    def __init__(self, stream: IO[bytes], progress: Callable[[int], None]) -> None:
        self.digest = hashlib.sha256()
        self._stream = stream
        self._progress = progress

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self.digest.update(block)
        self._progress(len(block))
        return block


def _whole_lines(stream: IO[bytes], status: os.stat_result) -> int:
    """The size up to the last line end, of a file that is being written; what is left unfinished for good stays."""
    size, is_growing = status.st_size, time.time() - status.st_mtime < GROWING_SECONDS
    end = size
    while is_growing and end > 0:
        start = max(0, end - BLOCK)
        stream.seek(start)
        place = stream.read(end - start).rfind(b"\n")
        if place >= 0:
            size = start + place + 1
            break
        end = start
    stream.seek(0)
    return size


def _is_folder(target: str, entries: dict[str, Entry]) -> bool:
    return any(path.startswith(f"{target}/") for path in entries)


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return None


def _member(path: str, size: int, changed: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = size, 0o600, changed
    return member


def _add_bytes(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    tar.addfile(_member(name, len(content), time.time()), io.BytesIO(content))
