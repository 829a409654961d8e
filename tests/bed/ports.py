"""Free ports for one test session: from a random start, so that sessions side by side do not meet."""

import random

from infra.local.ports import free_port

FIRST_PORT, LAST_START = 11000, 27000


class Ports:
    """Hands out each port once."""

    def __init__(self):
        self._next = random.randrange(FIRST_PORT, LAST_START)

    def take(self):
        port = free_port(self._next)
        self._next = port + 1
        return port
