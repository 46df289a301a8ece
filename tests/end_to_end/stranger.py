"""Another user of the machine, without any credential. A program of its own that needs nothing but Python.

With a number as its argument it becomes that user first. Reads one JSON object from its standard input,
`{"ask": [[port, method, path], ...], "open": [path, ...]}`, and writes
`{"answers": [[status, digest of the body], ...], "opened": [path, ...]}`. Status 0: the port gave no HTTP answer.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401  connecting would load it, from where the other user may not read
import hashlib
import http.client
import json
import os
import socket
import sys
from pathlib import Path

ADDRESS = "127.0.0.1"


class Stranger:
    def __init__(self) -> None:
        self._connections: dict[int, http.client.HTTPConnection] = {}

    def ask(self, port: int, method: str, path: str) -> tuple[int, str]:
        for attempt in (1, 2):  # a server may close a connection that it has kept for a while
            connection = self._connections.setdefault(port, http.client.HTTPConnection(ADDRESS, port, timeout=60))
            try:
                body = b"{}" if method in {"POST", "PUT", "PATCH"} else None
                headers = {"Accept": "text/html,*/*", **({"Content-Type": "application/json"} if body else {})}
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                return answer.status, hashlib.sha256(answer.read()).hexdigest()
            except (OSError, http.client.HTTPException):
                self._connections.pop(port).close()
                if attempt == 2:
                    return 0, ""
        raise AssertionError("unreachable")


def can_open(path: str) -> bool:
    """Whether a file can be read, a folder listed, a socket connected to."""
    try:
        if Path(path).is_socket():
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
        elif Path(path).is_dir():
            os.listdir(path)  # noqa: PTH208
        else:
            with Path(path).open("rb"):
                pass
    except OSError:
        return False
    return True


def main() -> None:
    for user in map(int, sys.argv[1:]):
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    wanted = json.load(sys.stdin)
    stranger = Stranger()
    answers = [stranger.ask(*question) for question in wanted.get("ask", ())]
    json.dump({"answers": answers, "opened": [p for p in wanted.get("open", ()) if can_open(p)]}, sys.stdout)


if __name__ == "__main__":
    main()
