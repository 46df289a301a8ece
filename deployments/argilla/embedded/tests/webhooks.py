"""A small listener for Argilla's webhooks that can refuse or hang."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Inbox:
    """What was delivered to `url`."""

    url: str
    received: list[dict[str, Any]] = field(default_factory=list)

    def wait_for(self, count: int) -> None:
        wait_until(lambda: len(self.received) >= count)


@contextmanager
def inbox(refused: int = 0, hanging: int = 0) -> Iterator[Inbox]:
    """Open a listener; the first `refused` deliveries get a 503, or the first `hanging` no answer for a while."""

    class Listener(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            opened.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            count = len(opened.received)
            if count <= hanging:
                time.sleep(15)
            self.send_response(503 if count <= refused else 200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.daemon_threads, server.block_on_close = True, False
    opened = Inbox(f"http://127.0.0.1:{server.server_port}/")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield opened
    finally:
        server.shutdown()
        server.server_close()


def wait_until(is_done: Callable[[], bool], timeout_seconds: float = 40) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not is_done():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
