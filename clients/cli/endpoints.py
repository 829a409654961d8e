"""Where gates and broker are and what signs tokens: the environment says, or `.run/endpoints.env` of a local stack."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from pydantic_settings import BaseSettings, SettingsConfigDict

from clients.cli.failure import Failure

FILE: Final = Path(".run") / "endpoints.env"
PROJECT: Final = Path(__file__).resolve().parents[2]
SOONEST_SECONDS: Final = 1.0
"""Tokens are not renewed more often, whatever they say and however the clocks differ."""


class Endpoints(BaseSettings):
    """The environment goes before the file.

    Attributes:
        http: the first gate, `http://host:port`.
        gates: all of them, separated by commas.
        jwt_secret: signs tokens (HS256).
        amqp_url: the broker, for operators.
    """

    model_config = SettingsConfigDict(env_prefix="GATEHOUSE_", frozen=True, extra="ignore")

    http: str = ""
    gates: str = ""
    jwt_secret: str = ""
    amqp_url: str = ""

    def gate_urls(self) -> tuple[str, ...]:
        """The gates to try, the first one first.

        Raises:
            Failure: none is known.
        """
        known = (self.http, *self.gates.split(","))
        urls = tuple(dict.fromkeys(url.strip().rstrip("/") for url in known if url.strip()))
        if not urls:
            raise Failure("no gate is known: start one (gatehouse up), set GATEHOUSE_HTTP or give --gate URL")
        return urls

    def broker_url(self) -> str:
        """Where operators find the broker.

        Raises:
            Failure: none is known.
        """
        if not self.amqp_url:
            raise Failure("no broker is known: start one (gatehouse up), set GATEHOUSE_AMQP_URL or give --amqp-url")
        return self.amqp_url

    def sign_token(self, user: str, now: datetime, hours: float) -> str:
        """A token that says its bearer is `user`.

        Raises:
            Failure: no secret is known.
        """
        if not self.jwt_secret:
            raise Failure("no secret to sign a token with: set GATEHOUSE_JWT_SECRET or give --token")
        claims = {"sub": user, "iat": now, "exp": now + timedelta(hours=hours)}
        return jwt.encode(claims, self.jwt_secret, algorithm="HS256")


def renewal_seconds(token: str, now: float) -> float | None:
    """How long to wait before a new token is wanted: half of what this one has left at `now` (Unix seconds).

    None for one that never expires, or that says nothing we can read.
    """
    try:
        expires_at = jwt.decode(token, options={"verify_signature": False, "verify_exp": False}).get("exp")
    except (jwt.InvalidTokenError, ValueError):
        return None
    return max(SOONEST_SECONDS, (expires_at - now) / 2) if isinstance(expires_at, int | float) else None


def find_endpoints(folder: Path) -> Endpoints:
    """Read the environment, then the file in `folder`, in one above it, or in the checkout this program lies in."""
    places = (place / FILE for place in (folder, *folder.parents, PROJECT))
    file = next((place for place in places if place.is_file()), None)
    return Endpoints(_env_file=file)


def socket_url(gate: str) -> str:
    """The native WebSocket door of a gate.

    Raises:
        Failure: the address is no http or https URL.
    """
    scheme, separator, rest = gate.partition("://")
    door = {"http": "ws", "https": "wss"}.get(scheme)
    if door is None or not separator or not rest:
        raise Failure(f"a gate is an address like http://127.0.0.1:8080, not {gate!r}")
    return f"{door}://{rest.rstrip('/')}/ws"
