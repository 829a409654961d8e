"""Logins of the broker for outside programs, each with what docs/amqp.md grants it."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import urlsplit

from schemas import routes

TRUSTED = "trusted"


class Logins:
    """Of one virtual host; made when they are first asked for. A name is a user's, so it may be there already."""

    def __init__(self, management: Any, amqp_url: str) -> None:
        self._management = management
        self._amqp_url = amqp_url
        self._urls: dict[str, str] = {}

    def own(self, user: str) -> str:
        """Where a user logs in who speaks for themselves."""
        return self._url_of(user, routes.INBOX)

    def shared(self, user: str) -> str:  # noqa: ARG002 - whoever is spoken for
        """Where the one program logs in that speaks for all."""
        return self._url_of(TRUSTED, routes.COMMANDS)

    def _url_of(self, login: str, exchange: str) -> str:
        if login not in self._urls:
            password = secrets.token_hex(8)
            self._management.create_user(login, password)
            write = f"^({exchange.replace('.', chr(92) + '.')}|amq\\.gen.*)$"
            self._management.set_permissions(login, "^amq\\.gen", write, "^amq\\.gen")
            place = urlsplit(self._amqp_url)
            self._urls[login] = f"amqp://{login}:{password}@{place.hostname}:{place.port}{place.path}"
        return self._urls[login]
