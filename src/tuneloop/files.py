"""Write files whole or not at all, append lines that a kill cannot tear, hold locks and hash contents.

Whatever the loop stores goes through here, on the assumption that the process is killed, or the power goes, at any
line. A file is written beside its place as `.NAME.PROCESS-THREAD.tmp`, forced to the disk and renamed; drafts of
processes that are gone are deleted when the same file is written again. Files are the owner's alone (mode 0600) unless
told otherwise. A log that is appended to is locked and cut back to its last whole line first.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from tuneloop.errors import DataError

PRIVATE = 0o600
PUBLIC = 0o644
"""For reports, which may be handed on. The folder above decides who gets at them."""
DRAFT = ".tmp"
CHUNK_BYTES = 1 << 20
TAIL_BYTES = 1 << 16
LOCK_PAUSE_SECONDS = 0.1

DigestsOf = Callable[[Path], Mapping[str, str]]
"""Name -> hex SHA-256 of all files below a folder: `file_digests`, or the same with a display of how far it is."""


# Whole files -----------------------------------------------------------------------------------------------------


@contextmanager
def atomic_path(file: Path, *, mode: int = PRIVATE) -> Iterator[Path]:
    """Yield a path to write to, for a library that opens files itself; it takes the file's place when the block ends.

    If the block raises, the file is what it was and nothing is left beside it. Folders above it are made.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _delete_dead_drafts(file)
    draft = file.with_name(f".{file.name}.{os.getpid()}-{threading.get_native_id()}{DRAFT}")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
    try:
        yield draft
        draft.chmod(mode)
        force_to_disk(draft)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    force_to_disk(file.parent)


def atomic_write(
    file: Path, content: str | bytes | Iterable[str], *, mode: int = PRIVATE, errors: str = "strict"
) -> None:
    """Replace the file by this content in one step.

    Args:
        file: what is replaced; folders above it are made.
        content: all of it, or its parts as they come.
        mode: of the new file.
        errors: for characters that UTF-8 does not have, as `str.encode` takes it.
    """
    parts = [content] if isinstance(content, str | bytes) else content
    with atomic_path(file, mode=mode) as draft, draft.open("wb") as stream:
        stream.writelines(part if isinstance(part, bytes) else part.encode(errors=errors) for part in parts)


def force_to_disk(path: Path) -> None:
    """Wait until the disk has the file, or the names in the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete_dead_drafts(file: Path) -> None:
    for draft in file.parent.glob(f".{glob.escape(file.name)}.*{DRAFT}"):
        process = draft.name.removeprefix(f".{file.name}.").removesuffix(DRAFT).partition("-")[0]
        if process.isdigit() and not _lives(int(process)):
            draft.unlink(missing_ok=True)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# Lines of JSON ---------------------------------------------------------------------------------------------------


def read_jsonl(file: Path, *, on_torn: Literal["raise", "skip"] = "raise") -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSONL file, one a line; a file that does not exist has none.

    Args:
        file: is read line by line, so it may be larger than memory.
        on_torn: what to do with a line that is not a JSON object (a kill cut it short, or it was edited).

    Raises:
        DataError: a line is not a JSON object, and `on_torn` is "raise".
    """
    try:
        stream = file.open("rb")
    except FileNotFoundError:
        return
    with stream:
        for number, line in enumerate(stream, start=1):
            row = _object(line)
            if row is not None:
                yield row
            elif on_torn == "raise" and line.strip():
                raise DataError(f"{file} line {number} is not a JSON object; correct the line or delete it")


def write_jsonl(file: Path, rows: Iterable[Mapping[str, Any]], *, errors: str = "replace") -> None:
    """Replace the file by these rows in one step."""
    atomic_write(file, (json.dumps(row, ensure_ascii=False) + "\n" for row in rows), errors=errors)


def append_jsonl(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add rows at the end of a file, on the disk when this returns."""
    lines = b"".join(json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n" for row in rows)
    if lines:
        with appending(file) as stream:
            stream.write(lines)


@contextmanager
def appending(file: Path, *, is_edited_by_others: bool = False) -> Iterator[BinaryIO]:
    """Open a file of lines alone, at its end, for reading and writing; what was written is on the disk at the end.

    What a kill left behind the last line break is dropped. A file that was replaced while this process waited for it
    (`tuneloop forget` does) is opened anew.

    Args:
        file: is made if it does not exist.
        is_edited_by_others: an editor may have left out the last line break, so a last line that is JSON is kept.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not file.exists()
    with _opened_alone(file) as stream:
        _end_with_whole_line(stream, keep_json=is_edited_by_others)
        yield stream
        stream.flush()
        os.fsync(stream.fileno())
    if is_new:
        force_to_disk(file.parent)


@contextmanager
def _opened_alone(file: Path) -> Iterator[BinaryIO]:
    while True:
        with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE), "r+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            if file.exists() and os.path.samestat(os.fstat(stream.fileno()), file.stat()):
                yield stream
                return


def _end_with_whole_line(stream: BinaryIO, *, keep_json: bool) -> None:
    torn, start = _after_last_break(stream)
    stream.seek(0, os.SEEK_END)
    if torn and keep_json and _object(torn) is not None:
        stream.write(b"\n")
    elif torn:
        stream.truncate(start)
        stream.seek(start)


def _after_last_break(stream: BinaryIO) -> tuple[bytes, int]:
    """Return what follows the last line break, and where that begins; read backwards, as logs are long."""
    start = stream.seek(0, os.SEEK_END)
    tail = b""
    while start and b"\n" not in tail:
        step = min(TAIL_BYTES, start)
        start = stream.seek(start - step)
        tail = stream.read(step) + tail
    cut = tail.rfind(b"\n") + 1
    return tail[cut:], start + cut


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode(errors="surrogatepass"))
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


# Locks -----------------------------------------------------------------------------------------------------------


@contextmanager
def lock(file: Path, *, timeout_seconds: float | None = None) -> Iterator[None]:
    """Hold the lock file alone; the kernel lets go of it when this process ends, however it ends.

    Args:
        file: is made if it does not exist, and stays.
        timeout_seconds: how long to wait for another holder; None: for ever.

    Raises:
        TimeoutError: another process held it all that time.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, PRIVATE), "r+b") as stream:
        while not _locked(stream, wait=deadline is None):
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"{file} is held by another process")
            time.sleep(LOCK_PAUSE_SECONDS)
        yield


def _locked(stream: BinaryIO, *, wait: bool) -> bool:
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


# Contents --------------------------------------------------------------------------------------------------------
# Every file is read whenever it is asked for; nothing is remembered. A memory keyed by path, size, inode and times can
# be fooled by whoever can write the file: a page that is mapped and already dirty takes further writes without any time
# being touched (until it is written back; on tmpfs for ever), and modification times can be set at will.


def file_digests(folder: Path, on_bytes: Callable[[int], None] | None = None) -> dict[str, str]:
    """Return name -> hex SHA-256 of all files below the folder, hidden ones too; nothing where there is no folder.

    What is neither a file nor a folder, or a link to a folder, is never opened; it, and a file that cannot be read,
    stands with what it is instead.

    Args:
        folder: it and all folders below it are read.
        on_bytes: told how many bytes more have been read.
    """
    return {path.relative_to(folder).as_posix(): _digest(path, on_bytes) for path in sorted(_paths(folder))}


def contents_hash(digests: Mapping[str, str]) -> str:
    """Hex SHA-256 over names and digests."""
    return hashlib.sha256("".join(f"{name}:{digest}\n" for name, digest in digests.items()).encode()).hexdigest()


def changes(sealed: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """Say of every file that is not as it was what became of it."""
    return [
        f"{name} {'was added' if name not in sealed else 'is gone' if name not in found else 'changed'}"
        for name in sorted({*sealed, *found})
        if sealed.get(name) != found.get(name)
    ]


def folder_bytes(folder: Path) -> int:
    """Bytes that `file_digests` would read."""
    return sum(path.stat().st_size for path in _paths(folder) if path.is_file())


def _paths(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in files)
        yield from (path for name in folders if (path := Path(place, name)).is_symlink())


def _digest(path: Path, on_bytes: Callable[[int], None] | None) -> str:
    if not path.is_file():
        return "link to a folder" if path.is_symlink() else "no file"
    total = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                total.update(chunk)
                if on_bytes:
                    on_bytes(len(chunk))
    except OSError as error:
        return f"unreadable: {error.strerror}"
    return total.hexdigest()
