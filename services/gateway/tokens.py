"""Who a token speaks for. Signature and claims are checked here and nowhere else; the time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import jwt

from schemas.errors import Code
from schemas.ids import UserId, checked_user_id

ALGORITHM: Final = "HS256"
SKEW_SECONDS: Final = 5.0
SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, known until `expires_at` (Unix seconds), with what the token's `scope` claim lists."""

    user: UserId
    expires_at: float
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Why a token identifies nobody; `code` is `unauthenticated` or `token_expired`."""

    code: Code
    message: str


class Verifier:
    """Checks HS256 tokens against one secret. `sub` and `exp` are required; no other algorithm ever passes."""

    def __init__(self, secret: str, *, skew_seconds: float = SKEW_SECONDS) -> None:
        self._secret = secret
        self._skew_seconds = skew_seconds

    def verify(self, token: str, now: float) -> Identity | TokenRefused:
        """Who the token speaks for at `now` (Unix seconds)."""
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                # The times are checked below, against the caller's clock; nobody here is an audience or an issuer.
                options={"require": ["sub", "exp"], "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (jwt.InvalidTokenError, ValueError) as error:
            return TokenRefused(Code.UNAUTHENTICATED, f"the token is not valid: {error}")
        return self._identify(claims, now)

    def _identify(self, claims: dict[str, Any], now: float) -> Identity | TokenRefused:  # Any: claims are free-form
        expires_at = _moment(claims.get("exp"))
        not_before = _moment(claims.get("nbf", 0))
        if expires_at is None or not_before is None:
            return TokenRefused(Code.UNAUTHENTICATED, "exp and nbf are numbers of seconds")
        if now >= expires_at + self._skew_seconds:
            return TokenRefused(Code.TOKEN_EXPIRED, "the token has expired")
        if now < not_before - self._skew_seconds:
            return TokenRefused(Code.UNAUTHENTICATED, "the token is not valid yet")
        try:
            return Identity(UserId(checked_user_id(str(claims["sub"]))), expires_at + self._skew_seconds)
        except ValueError as error:
            return TokenRefused(Code.UNAUTHENTICATED, f"sub is no user id: {error}")


def issue(user: str, secret: str, *, now: float, lifetime_seconds: float) -> str:
    """A token for `user`, as the demo login and the command line hand out."""
    claims = {"sub": user, "iat": int(now), "exp": int(now + lifetime_seconds)}
    return jwt.encode(claims, secret, algorithm=ALGORITHM)


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value)
