"""Small services under a real supervisor: a server whose child holds its port, workers, a keeper."""

import sys
import time
from pathlib import Path

from tuneloop.stack.services import KEEPER, PORTS_OF, WORKERS, Service

SERVER = """
import http.server, os, signal, socketserver, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
server = Server(("127.0.0.1", int(sys.argv[1])), Answer)
if os.fork() == 0:
    server.serve_forever()
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True: time.sleep(60)
"""
"""Like a web server with workers: the child goes on to answer after the main process was killed."""
WORKER = "import time\nwhile True: time.sleep(60)"
HEARTBEAT = "import pathlib, sys, time\nwhile True: pathlib.Path(sys.argv[1]).touch(); time.sleep(0.2)"


def small_services(layout, state, _program):
    """As many and as named as the real ones, each up in a moment."""

    def program(name, code, *arguments):
        file = layout.run / f"{name}.py"
        file.write_text(code)
        return sys.executable, "-S", str(file), *arguments

    servers = [
        Service(
            name,
            program("server", SERVER, str(state.ports[name])),
            layout.run,
            {},
            url=state.url(name),
            probe=f"{state.url(name)}/health",
        )
        for name in PORTS_OF
    ]
    workers = [
        Service(name, program("worker", WORKER), layout.run, {}, pool=name.removeprefix("worker-")) for name in WORKERS
    ]
    beat = program("beat", HEARTBEAT, str(layout.heartbeat))
    return [*servers, *workers, Service(KEEPER, beat, layout.run, {}, heartbeat=layout.heartbeat)]


def install_argilla(folder: Path) -> Path:
    """A program where the Argilla server is looked for."""
    program = folder / "argilla-embedded"
    program.touch(mode=0o755)
    return program


def becomes(condition, seconds=120.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.1)
