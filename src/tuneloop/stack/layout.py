"""Where the stack keeps its files inside one workspace."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tuneloop.errors import ServiceError

LONGEST_SOCKET_PATH = 90
"""Unix socket addresses end at 108 bytes, and supervisor appends its process id while it creates the socket."""


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
        digest = hashlib.sha256(os.fsencode(self.workspace)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"tuneloop-{os.getuid()}-{digest}" / "supervisor.sock"

    def log_file(self, service: str) -> Path:
        return self.logs / f"{service}.log"

    def create(self) -> None:
        """Make the folders, readable by this user only.

        Raises:
            ServiceError: a folder belongs to somebody else.
        """
        folders = (self.workspace, self.logs, self.run, self.prefect, self.mlflow, self.argilla, self.socket.parent)
        for folder in folders:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise ServiceError(f"{folder} belongs to another user: choose another workspace (TUNELOOP_WORKSPACE)")
            folder.chmod(0o700)
