"""Free TCP ports on this machine."""

from __future__ import annotations

import random
import socket
from collections.abc import Collection, Iterable, Mapping

from tuneloop.errors import ServiceError

HOST = "127.0.0.1"
RANGE = range(20000, 32000)
"""Below the range that Linux hands to outgoing connections, so that a remembered port is rarely taken by chance."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now (a port in TIME_WAIT counts as free, as it does for servers)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(avoid: Collection[int] = ()) -> int:
    """A free port that is not in `avoid`.

    Raises:
        ServiceError: none was found in 200 tries.
    """
    for port in random.SystemRandom().sample(RANGE, 200):
        if port not in avoid and is_free(port):
            return port
    raise ServiceError(f"no free port between {RANGE.start} and {RANGE.stop} on {HOST}")


def settle_ports(ports: Mapping[str, int], names: Iterable[str], in_use_by_us: Collection[str]) -> dict[str, int]:
    """A port per name: the remembered one where it is free or ours, a new one otherwise."""
    settled = dict(ports)
    for name in names:
        if name in in_use_by_us and name in settled:
            continue
        if name not in settled or not is_free(settled[name]):
            settled[name] = free_port(avoid=settled.values())
    return settled
