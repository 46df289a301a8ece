"""Where everything of a stack is, and the lock that one command at a time holds."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import ServiceError
from tuneloop.files import lock

LONGEST_SOCKET_PATH = 90
"""Unix socket addresses end at 108 bytes, and supervisor appends its process id while it creates the socket."""
LONGEST_TEMPORARY_PATH = 70
"""Python's multiprocessing puts sockets with names of 33 bytes into the folder for temporary files."""
SYSTEM_TEMPORARY = Path("/tmp")  # noqa: S108 - not TMPDIR: `down` has to look where `up` looked, whatever the shell says


@dataclass(frozen=True, slots=True)
class Layout:
    """Absolute paths. `root` is the project, `workspace` what the loop writes on this machine."""

    root: Path
    workspace: Path

    @property
    def state_file(self) -> Path:
        return self.workspace / "stack.json"

    @property
    def lock_file(self) -> Path:
        return self.workspace / "stack.lock"

    @property
    def logs(self) -> Path:
        return self.workspace / "logs"

    @property
    def run(self) -> Path:
        return self.workspace / "run"

    @property
    def supervisor_config(self) -> Path:
        return self.run / "supervisord.conf"

    @property
    def heartbeat(self) -> Path:
        """Touched by the keeper at each look."""
        return self.run / "keeper.seen"

    @property
    def prefect(self) -> Path:
        return self.workspace / "prefect"

    @property
    def mlflow(self) -> Path:
        return self.workspace / "mlflow"

    @property
    def argilla(self) -> Path:
        return self.workspace / "argilla"

    @property
    def socket(self) -> Path:
        """The process runner's control socket: in the workspace, or in a short private folder if that is too deep."""
        inside = self.run / "supervisor.sock"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_PATH:
            return inside
        return self.short / "supervisor.sock"

    @property
    def short(self) -> Path:
        """A private folder outside a workspace that lies too deep for sockets."""
        digest = hashlib.sha256(os.fsencode(self.workspace)).hexdigest()[:16]
        return SYSTEM_TEMPORARY / f"tuneloop-{os.getuid()}-{digest}"

    def temporary(self, service: str) -> Path:
        """Where a service and its flow runs put temporary files; Prefect's hold the logins of each run it starts."""
        inside = self.workspace / "tmp" / service
        return inside if len(os.fsencode(inside)) <= LONGEST_TEMPORARY_PATH else self.short / "tmp" / service

    def log_file(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def create(self) -> None:
        """Make the folders, readable by this user only.

        Raises:
            ServiceError: a folder belongs to somebody else.
        """
        if self.short.is_symlink():
            raise ServiceError(f"{self.short} is a link that somebody put there: remove it, then run this again")
        folders = (self.workspace, self.logs, self.run, self.prefect, self.mlflow, self.argilla, self.socket.parent)
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise ServiceError(f"{folder} belongs to another user: choose another workspace (TUNELOOP_WORKSPACE)")
            folder.chmod(0o700)


@contextmanager
def exclusive(path: Path, *, timeout_seconds: float = 300.0) -> Iterator[None]:
    """Hold the lock file.

    Raises:
        ServiceError: another process kept it for `timeout_seconds`.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(lock(path, timeout_seconds=timeout_seconds))
        except TimeoutError as error:
            raise ServiceError(
                f"another tuneloop command has been starting or stopping {path.parent} for {timeout_seconds:.0f} s: "
                "wait for it or end it"
            ) from error
        yield
