"""A real Argilla server in a process of its own on a home of its own; it can be killed and started again."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx
import psutil

PROGRAM = Path(os.environ.get("TUNELOOP_ARGILLA_BIN", ".venv-argilla/bin/argilla-embedded"))
STOCK = Path(__file__).with_name("review_stock_server.py")
START_SECONDS = 300


@dataclass
class ArgillaServer:
    """`argilla-embedded serve`, or (stock) the same with upstream's slow functions left in place."""

    home: Path
    stock: bool = False
    key: str = field(default_factory=lambda: secrets.token_hex(24), repr=False)
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Start it, on the same port as before, and wait until it answers."""
        self.port = self.port or _free_port()
        program = [PROGRAM.with_name("python"), STOCK] if self.stock else [PROGRAM]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ARGILLA_")}
        owner = {"USERNAME": "owner", "PASSWORD": self.password, "API_KEY": self.key}
        self.home.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [*program, "serve", "--home", self.home, "--port", str(self.port)],
                env=clean | {f"ARGILLA_OWNER_{name}": value for name, value in owner.items()},
                stdout=log,
                stderr=log,
            )
        self._wait()
        return self

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL. Valkey is told by the kernel to end; the next start waits for it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def valkey(self) -> psutil.Process | None:
        """The job queue's process, if there is one just now."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next((child for child in children if "valkey" in child.name()), None)

    def cpu_seconds(self) -> float:
        """CPU time of the server's own process so far, user and system."""
        assert self.process is not None
        used = psutil.Process(self.process.pid).cpu_times()
        return used.user + used.system

    def client(self, key: str | None = None) -> httpx.Client:
        headers = {"X-Argilla-Api-Key": key or self.key}
        return httpx.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=60)

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return self.home.with_suffix(".log")

    def _wait(self) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/api/v1/status", timeout=10).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.1)
        raise SystemExit(f"the Argilla server does not answer:\n{self.log()[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
