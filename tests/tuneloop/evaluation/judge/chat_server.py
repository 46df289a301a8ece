"""A small server that speaks the chat-completions protocol, and judges with habits of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

Answer = str | int | dict[str, Any] | bytes
"""What the model says; or a status; or a whole JSON body; or raw bytes."""


@dataclass
class ChatServer:
    """`judge` gets the user's turn. `requests` and `keys` are what came in, bodies and Authorization headers."""

    judge: Callable[[str], Answer]
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)


@contextmanager
def chat_server(judge: Callable[[str], Answer]) -> Iterator[ChatServer]:
    server = ChatServer(judge)
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{listening.server_port}/v1"
    thread = Thread(target=listening.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def _handler(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with server.lock:
                server.requests.append(body)
                server.keys.append(self.headers.get("Authorization"))
                said = server.judge(body["messages"][-1]["content"]) if self.path == "/v1/chat/completions" else 404
            status, content = _response(said)
            self.send_response(status)
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    return Handler


def _response(said: Answer) -> tuple[int, bytes]:
    if isinstance(said, int):
        return said, json.dumps({"error": {"message": f"status {said}"}}).encode()
    if isinstance(said, bytes):
        return 200, said
    body = said if isinstance(said, dict) else {"choices": [{"message": {"role": "assistant", "content": said}}]}
    return 200, json.dumps(body).encode()


def shown(question: str) -> tuple[str, str]:
    """The two answers in a question: what stands as A, what stands as B."""
    found = re.findall(r"<answer-[AB]-(\w+)>\n(.*?)\n</answer-[AB]-\1>", question, re.DOTALL)
    return found[0][1], found[1][1]


def prefers_longer(question: str) -> str:
    """An honest judge with a simple taste, and no habits of place."""
    first, second = shown(question)
    return "tie" if len(first) == len(second) else "A" if len(first) > len(second) else "B"


def always_first(question: str) -> str:
    return "A"
