"""A listener for Argilla's webhooks that remembers which responses it was told of, and can keep a delivery waiting."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LONGEST_WAIT_SECONDS = 60


@dataclass
class Inbox:
    """`told` counts deliveries by response id. Argilla may deliver an event twice, and loses those of a dead valkey."""

    url: str
    told: Counter[str] = field(default_factory=Counter)
    _held: threading.Event = field(default_factory=threading.Event)
    _free: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._free.set()

    def hold_next(self, timeout_seconds: float) -> bool:
        """Wait until a delivery has come in that is not answered before `release`: a job is being performed then."""
        self._held.clear()
        self._free.clear()
        return self._held.wait(timeout_seconds)

    def release(self) -> None:
        self._free.set()

    def receive(self, body: bytes) -> None:
        if not self._free.is_set():
            self._held.set()
            self._free.wait(LONGEST_WAIT_SECONDS)
        self.told[json.loads(body)["data"]["id"]] += 1


@contextmanager
def inbox() -> Iterator[Inbox]:
    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            opened.receive(self.rfile.read(int(self.headers["content-length"])))
            try:
                self.send_response(200)
                self.end_headers()
            except OSError:
                pass  # the sender was killed while it waited

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads, server.block_on_close = True, False
    opened = Inbox(f"http://127.0.0.1:{server.server_port}/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield opened
    finally:
        opened.release()
        server.shutdown()
        server.server_close()
