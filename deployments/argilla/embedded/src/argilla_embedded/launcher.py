"""One supervised process tree: this process serves Argilla, valkey is its child."""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path

from argilla_embedded.environment import server_environment
from argilla_embedded.home import Home
from argilla_embedded.owner import take_owner
from argilla_embedded.valkey import Valkey

HOST = "127.0.0.1"


def serve(home_path: Path, port: int, valkey_port: int) -> None:
    """Serve `home_path` until SIGTERM, SIGHUP or Ctrl-C; port 0 takes a free one.

    Raises:
        HomeInUseError: another process serves this home.
        OwnerError: the owner variables are incomplete or unsafe.
        OSError: the port is taken.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    os.umask(0o077)  # people's work and secrets: no file made below is for other users
    owner = take_owner(os.environ)
    home = Home(home_path.resolve())
    with home.locked(), listen(port) as listener:
        home.prepare()
        valkey = Valkey(home.valkey, valkey_port or _free_port(), home.secret("valkey"))
        try:
            valkey.start()
            port = listener.getsockname()[1]
            os.environ.update(server_environment(home, port, valkey.url))
            tempfile.tempdir = None  # forget the folder found before TMPDIR was set
            from argilla_embedded import server

            print(f"argilla-embedded: http://{HOST}:{port} (home {home.path}, process {os.getpid()})", flush=True)
            server.run(listener, owner, on_tick=valkey.revive)
        finally:
            valkey.stop()


def listen(port: int) -> socket.socket:
    """Take the port before anything else is started, so that a port in use costs nothing."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise OSError(f"port {port} on {HOST} is taken") from error
    return listener


def _free_port() -> int:
    with listen(0) as probe:
        return int(probe.getsockname()[1])


def _leave(*_: object) -> None:
    # uvicorn raises the signal again after its own shutdown; leaving by an exception runs every `finally`.
    sys.exit(0)
