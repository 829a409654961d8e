"""Ports on loopback: a favourite, or the next free one. All stay below the range the kernel hands out to clients."""

import socket
from collections.abc import Collection

HOST = "127.0.0.1"
LAST_PORT = 32767


class NoFreePort(Exception):
    def __init__(self, preferred: int) -> None:
        self.preferred = preferred
        super().__init__(f"no free port from {preferred} to {LAST_PORT}")


def free_port(preferred: int, taken: Collection[int] = ()) -> int:
    """The first port from `preferred` on that nobody listens on and that is not `taken`."""
    for port in range(preferred, LAST_PORT + 1):
        if port not in taken and is_free(port):
            return port
    raise NoFreePort(preferred)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
