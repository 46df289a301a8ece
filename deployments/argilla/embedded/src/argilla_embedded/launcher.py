"""One supervised process tree: this process serves Argilla; valkey, unless a Redis is given, is its child."""

import os
import signal
import socket
import sys
from pathlib import Path

from argilla_embedded.backends import backends_from, job_queue
from argilla_embedded.environment import prepare_import
from argilla_embedded.home import Home
from argilla_embedded.owner import take_owner

HOST = "127.0.0.1"


def serve(home_path: Path, port: int, valkey_port: int) -> None:
    """Serve `home_path` until SIGTERM, SIGHUP or Ctrl-C; port 0 takes a free one.

    Raises:
        HomeInUseError: another process serves this home.
        OwnerError: the owner variables are incomplete or unsafe.
        BackendError: the Postgres or the Redis of the environment cannot be used.
        OSError: the port is taken.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    os.umask(0o077)  # people's work and secrets: no file made below is for other users
    owner, backends = take_owner(os.environ), backends_from(os.environ)
    home = Home(home_path.resolve())
    with home.locked(), listen(port) as listener:
        home.prepare()
        if backends.database_url is None:
            home.forget_mirror()
        else:
            from argilla_embedded.postgres import check

            check(backends.database_url)  # an error now, not after seconds of imports
            if home.database.exists():
                print(
                    f"argilla-embedded: {home.database} is not used; `argilla-embedded migrate` copies it",
                    flush=True,
                    file=sys.stderr,
                )
        with job_queue(home, backends.redis_url, valkey_port or _free_port()) as (redis_url, revive):
            port = listener.getsockname()[1]
            prepare_import(home, port, redis_url, backends.database_url)
            from argilla_embedded import server

            print(f"argilla-embedded: http://{HOST}:{port} (home {home.path}, process {os.getpid()})", flush=True)
            server.run(listener, owner, on_tick=revive)


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
