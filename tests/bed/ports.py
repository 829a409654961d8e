"""Free ports for one test session: from a random start, so that sessions side by side do not meet."""

import os
import random
import socket
from contextlib import closing

from infra.local.ports import HOST, free_port

FIRST_PORT, END_PORT = 11000, 32000
LIKELY = 1000
"""Ports that a session takes."""


class Ports:
    """Hands out each port once. The processes of one session that runs in parallel have each a range of their own."""

    def __init__(self):
        number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        width = (END_PORT - FIRST_PORT) // int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        first = FIRST_PORT + number * width
        self._next = random.randrange(first, first + max(1, width - LIKELY))

    def take(self):
        port = free_port(self._next)
        self._next = port + 1
        return port


def listens(port):
    """Whether somebody takes connections there."""
    with closing(socket.socket()) as caller:
        return caller.connect_ex((HOST, port)) == 0
