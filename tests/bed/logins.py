"""Logins of the broker beside the one that may do everything."""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import urlsplit

OWN_QUEUES = r"^amq\.gen"
"""Those that the broker has named."""


def url_of(amqp_url: str, login: str, password: str) -> str:
    """The same broker and virtual host for another login."""
    place = urlsplit(amqp_url)
    return place._replace(netloc=f"{login}:{password}@{place.hostname}:{place.port}").geturl()


def outside_login(management: Any, amqp_url: str, login: str, exchange: str) -> str:
    """Where a new login reaches the broker that may publish to one exchange and has queues of its own for answers."""
    password = secrets.token_hex(8)
    management.create_user(login, password)
    write = rf"^({re.escape(exchange)}|amq\.gen.*)$"
    management.set_permissions(login, configure=OWN_QUEUES, write=write, read=OWN_QUEUES)
    return url_of(amqp_url, login, password)
