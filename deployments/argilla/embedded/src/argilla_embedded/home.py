"""The home folder: everything one embedded server keeps, and who may use it."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from argilla_embedded.errors import CommandError


class HomeInUseError(CommandError):
    """Another process serves this home."""


@dataclass(frozen=True)
class Home:
    """Paths inside one home folder.

    `argilla.db` and `valkey/` are the data. `search.db` is derived from `argilla.db` and rebuilt when missing.
    `tmp/` is emptied at every start, because importing the server leaves a 14 MB copy of its web page there.
    """

    path: Path

    @property
    def database(self) -> Path:
        return self.path / "argilla.db"

    @property
    def mirror(self) -> Path:
        """A copy of what searches read, while the rows are in Postgres; derived."""
        return self.path / "mirror.db"

    @property
    def valkey(self) -> Path:
        return self.path / "valkey"

    @property
    def tmp(self) -> Path:
        return self.path / "tmp"

    def prepare(self) -> None:
        """Create the folders, private to this user; call it under the lock, since it empties `tmp/`."""
        shutil.rmtree(self.tmp, ignore_errors=True)
        for folder in (self.path, self.valkey, self.tmp):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def forget_mirror(self) -> None:
        """Delete the copy, so that its presence tells where the rows were last."""
        for file in self.path.glob("mirror.db*"):
            file.unlink()

    def secret(self, name: str) -> str:
        """Read the secret kept under `name`, made at random the first time (64 hex digits, mode 0600)."""
        file = self.path / f"{name}.secret"
        if not file.exists():
            unfinished = file.with_suffix(".new")
            unfinished.unlink(missing_ok=True)
            with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(secrets.token_hex(32))
            unfinished.rename(file)
        return file.read_text()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the home for this process.

        The kernel drops the lock when the holder dies, however it dies, so a valkey found running while the lock is
        ours is a left-over.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / "lock").open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise HomeInUseError(f"another argilla-embedded serves {self.path}") from None
            yield
