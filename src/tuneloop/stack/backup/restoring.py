"""Put a backup back: checked as a whole before any of it takes its place."""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import ValidationError

from tuneloop.errors import ServiceError
from tuneloop.stack.backup.contents import FORMAT, NAME, Entry, Manifest, move_names
from tuneloop.stack.layout import Layout, exclusive
from tuneloop.stack.processes import marked_processes

BLOCK = 1 << 20
MOST_MANIFEST_BYTES = 256 << 20
LOCK_SECONDS = 2.0
LATEST = 2.0**33
"""Unix time; an archive may claim any."""


def restore(file: Path, layout: Layout, report: Callable[[int, int], None], *, replace: bool) -> Manifest:
    """Make the workspace what it was when `file` was written. Killed anywhere, there is the old one, or the new one.

    A workspace that is there is kept beside, as `NAME.before-TIME`.

    Raises:
        ServiceError: no such file, no backup, a damaged or a hostile one, no room, a workspace that is there (without
            `replace`), or one that is in use.
    """
    workspace = layout.workspace
    _require_free_place(layout, replace=replace)
    unpacked = workspace.with_name(f".{workspace.name}.restoring")
    shutil.rmtree(unpacked, ignore_errors=True)
    workspace.parent.mkdir(parents=True, exist_ok=True)
    others_may = os.umask(0o077)
    try:
        unpacked.mkdir()
        manifest = _unpack(file, unpacked, report)
        if manifest.workspace != str(workspace):
            move_names(unpacked, manifest.workspace, str(workspace))
        _put_in_place(unpacked, layout)
    finally:
        os.umask(others_may)
        shutil.rmtree(unpacked, ignore_errors=True)
    return manifest


def _require_free_place(layout: Layout, *, replace: bool) -> None:
    if not _is_there(layout.workspace):
        return
    if not replace:
        raise ServiceError(
            f"{layout.workspace} is there already: add --replace (it is kept beside), or name another place with "
            "TUNELOOP_WORKSPACE"
        )
    _require_down(layout)


def _require_down(layout: Layout) -> None:
    if marked_processes(layout):
        raise ServiceError(f"the stack in {layout.workspace} is running: `tuneloop down` first")


def _is_there(workspace: Path) -> bool:
    return workspace.exists() and (not workspace.is_dir() or any(workspace.iterdir()))


def _put_in_place(unpacked: Path, layout: Layout) -> None:
    workspace = layout.workspace
    if not _is_there(workspace):
        unpacked.replace(workspace)
        return
    with exclusive(layout.lock_file, timeout_seconds=LOCK_SECONDS):
        _require_down(layout)
        workspace.rename(workspace.with_name(f"{workspace.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"))
        unpacked.rename(workspace)


def _unpack(file: Path, folder: Path, report: Callable[[int, int], None]) -> Manifest:
    try:
        with file.open("rb") as stream:
            total = os.fstat(stream.fileno()).st_size
            free = shutil.disk_usage(folder).free
            if total > free:
                raise ServiceError(
                    f"{file} needs {total / 1e9:.1f} GB and {folder.parent} has {free / 1e9:.1f} GB left: make room"
                )
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                found, manifest = _extract(tar, folder, lambda: report(stream.tell(), total))
    except FileNotFoundError as error:
        raise ServiceError(f"there is no backup at {file}") from error
    except (tarfile.TarError, EOFError, UnicodeDecodeError, ValueError) as error:
        raise ServiceError(f"{file} is no backup, or was cut off ({error}): take another one") from error
    except OSError as error:
        raise ServiceError(f"{file} could not be unpacked: {error.strerror}") from error
    if manifest is None:
        raise ServiceError(f"{file} was cut off, or is no backup of tuneloop: take another one")
    _compare(file, manifest, found)
    _make_links(file, manifest, folder)
    return manifest


def _extract(
    tar: tarfile.TarFile, folder: Path, report: Callable[[], None]
) -> tuple[dict[str, Entry], Manifest | None]:
    """Only plain files with plain names, each once; links are made afterwards, as the manifest says."""
    found: dict[str, Entry] = {}
    for member in tar:
        # A sparse file says that it is huge and holds nothing.
        is_file = member.type == tarfile.REGTYPE and member.sparse is None
        content = tar.extractfile(member) if is_file else None
        if content is None or not _is_plain(member.name) or member.name in found:
            raise ServiceError(
                f"{tar_name(member)} in the archive is a link, a device, leads out of the workspace or is there twice: "
                "tuneloop never writes that, so do not use this archive"
            )
        if member.name == NAME:
            return found, _manifest(content, member.size)
        found[member.name] = _write(content, folder / member.name, report)
        if 0 < member.mtime < LATEST:  # data versions are listed in the order of their times
            os.utime(folder / member.name, (member.mtime, member.mtime))
    return found, None


def tar_name(member: tarfile.TarInfo) -> str:
    """For a message: escaped and short, since it is anything that a stranger wrote."""
    return repr(member.name[:80])


def _manifest(content: IO[bytes], size: int) -> Manifest:
    if size > MOST_MANIFEST_BYTES:
        raise ServiceError("the archive's manifest is larger than any real one: do not use this archive")
    try:
        manifest = Manifest.model_validate_json(content.read())
    except ValidationError as error:
        raise ServiceError("the archive's manifest cannot be read: it is damaged, or of another release") from error
    if manifest.format != FORMAT:
        raise ServiceError(f"the backup is of release {manifest.version}: restore it with that one")
    return manifest


def _write(content: IO[bytes], place: Path, report: Callable[[], None]) -> Entry:
    place.parent.mkdir(parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        while block := content.read(BLOCK):
            digest.update(block)
            size += len(block)
            stream.write(block)
            report()
        stream.flush()
        os.fsync(stream.fileno())
    return Entry(sha256=digest.hexdigest(), size=size)


def _compare(file: Path, manifest: Manifest, found: dict[str, Entry]) -> None:
    wrong = sorted(path for path, entry in found.items() if manifest.files.get(path) != entry)
    missing = sorted(manifest.files.keys() - found.keys())
    if wrong or missing:
        raise ServiceError(
            f"{file} is damaged: {(wrong or missing)[0]!r} is not what was written ({len(wrong)} files differ, "
            f"{len(missing)} are missing). Nothing was changed; take another backup"
        )


def _make_links(file: Path, manifest: Manifest, folder: Path) -> None:
    for path, target in manifest.links.items():
        if not (_is_plain(path) and _is_plain(target)):
            raise ServiceError(f"{file} has a link that leads out of the workspace: do not use this archive")
        place, above = folder / path, {str(parent) for parent in PurePosixPath(path).parents}
        if above.intersection({*manifest.links, *manifest.files}) or place.exists():
            raise ServiceError(f"{file} has a link where something else is: do not use this archive")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(folder / target, place.parent))


def _is_plain(name: str) -> bool:
    """A relative path that says where it leads."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and path.as_posix() == name
