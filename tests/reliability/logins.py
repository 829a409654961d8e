"""Where outside programs log in: each user for themselves, and one program for all."""

from __future__ import annotations

from typing import Any

from schemas import routes
from tests.bed.logins import outside_login

TRUSTED = "trusted"


class Logins:
    """Of one virtual host; made when they are first asked for."""

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
            self._urls[login] = outside_login(self._management, self._amqp_url, login, exchange)
        return self._urls[login]
