"""Who a token speaks for. Signature and claims are checked here and nowhere else; the time is an argument."""

from __future__ import annotations

import math
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import jwt
from pydantic_core import from_json

from schemas.errors import Code
from schemas.ids import UserId, checked_user_id
from services.gateway.keyring import SECRET_ALGORITHM, Key, KeyRing, is_kid, secret_ring

SKEW_SECONDS: Final = 5.0
SECRET_BYTES: Final = 32
TOKEN_CHARACTERS: Final = 8192
SCOPES_LIMIT: Final = 64
SCOPE_CHARACTERS: Final = 128
NO_SCOPES: Final[frozenset[str]] = frozenset()
"""One for all: an empty set of its own would take more memory than everything else that is known of most users."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A user, known until `expires_at` (Unix seconds), with what the token's `scope` claim lists."""

    user: UserId
    expires_at: float
    scopes: frozenset[str] = NO_SCOPES


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """Why a token identifies nobody; `code` is `unauthenticated`, `token_expired` or `keys_unavailable`."""

    code: Code
    message: str


@dataclass(frozen=True, slots=True)
class KeyUnknown:
    """The token names a key that is not here. Newer keys may have it: ask again when they were looked for."""

    kid: str | None


def _no(message: str) -> TokenRefused:
    return TokenRefused(Code.UNAUTHENTICATED, message)


_WRONG_ALGORITHM: Final = _no("the token is not valid: its algorithm is not one of its key")
Verdict: TypeAlias = Identity | TokenRefused | KeyUnknown


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token must say beside `sub` and `exp`.

    Attributes:
        issuer: its `iss`; None: whatever it says.
        audience: one of them is in its `aud`; empty: a token that is for somebody in particular is not for us.
        required: claims that must be there, whatever they say.
        skew_seconds: how far clocks may differ.
    """

    issuer: str | None = None
    audience: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    skew_seconds: float = SKEW_SECONDS


@dataclass(slots=True)
class Verifier:
    """Checks tokens against the keys of the moment: `keys` may be replaced at any time."""

    keys: KeyRing
    claims: Claims = field(default_factory=Claims)

    def verify(self, token: str, now: float) -> Verdict:
        """Who the token speaks for at `now` (Unix seconds)."""
        if len(token) > TOKEN_CHARACTERS:
            return _no(f"a token has at most {TOKEN_CHARACTERS} characters")
        try:
            head = _head(token)
        except ValueError as error:
            return _no(f"the token is not valid: {error}")
        kid, algorithm = head.get("kid"), head.get("alg")
        if kid is not None and not is_kid(kid):
            return _no("the token is not valid: its kid is no text of a reasonable length")
        if not self.keys.may_check(algorithm):
            return _WRONG_ALGORITHM
        fitting = self.keys.fitting(kid)
        if not fitting:
            return KeyUnknown(kid)
        return self._try_all(token, [key for key in fitting if algorithm in key.algorithms], now)

    def _try_all(self, token: str, keys: list[Key], now: float) -> Identity | TokenRefused:
        refused = _WRONG_ALGORITHM
        for key in keys:
            try:
                return self._identify(self._decode(token, key), now)
            except jwt.InvalidSignatureError as error:
                refused = _no(f"the token is not valid: {error}")
            except (jwt.InvalidTokenError, jwt.InvalidKeyError, ValueError, RecursionError) as error:
                return _no(f"the token is not valid: {error}")
        return refused

    def _decode(self, token: str, key: Key) -> dict[str, Any]:  # Any: claims are free-form
        return jwt.decode(
            token,
            key.material,
            algorithms=sorted(key.algorithms),
            audience=self.claims.audience or None,
            issuer=self.claims.issuer,
            # The times are checked below, against the caller's clock.
            options={
                "require": ["sub", "exp", *self.claims.required],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )

    def _identify(self, claims: dict[str, Any], now: float) -> Identity | TokenRefused:  # Any: claims are free-form
        skew = self.claims.skew_seconds
        expires_at = _moment(claims.get("exp"))
        not_before = _moment(claims.get("nbf", 0))
        if expires_at is None or not_before is None:
            return _no("exp and nbf are numbers of seconds")
        if now >= expires_at + skew:
            return TokenRefused(Code.TOKEN_EXPIRED, "the token has expired")
        if now < not_before - skew:
            return _no("the token is not valid yet")
        scopes = _scopes(claims.get("scope"))
        if scopes is None:
            return _no(f"scope is a text of words, or a list of them, at most {SCOPES_LIMIT}")
        try:
            return Identity(UserId(checked_user_id(str(claims["sub"]))), expires_at + skew, scopes)
        except ValueError as error:
            return _no(f"sub is no user id: {error}")


def secret_verifier(secret: str, claims: Claims | None = None) -> Verifier:
    """A verifier of HS256 tokens."""
    return Verifier(secret_ring(secret), claims or Claims())


def issue(user: str, secret: str, *, now: float, lifetime_seconds: float) -> str:
    """A token for `user`, as the demo login and the command line hand out."""
    claims = {"sub": user, "iat": int(now), "exp": int(now + lifetime_seconds)}
    return jwt.encode(claims, secret, algorithm=SECRET_ALGORITHM)


def _head(token: str) -> dict[str, Any]:  # Any: its fields are free-form
    """What a token says of itself before anything is checked: only to find its key.

    Raises:
        ValueError: it has no head.
    """
    head = from_json(urlsafe_b64decode(token.partition(".")[0] + "=="))
    if not isinstance(head, dict):
        raise ValueError("its head is no object")  # noqa: TRY004 - bad input, not a bug
    return head


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        moment = float(value)
    except OverflowError:
        return None
    return moment if math.isfinite(moment) else None


def _scopes(claim: object) -> frozenset[str] | None:
    words = claim.split() if isinstance(claim, str) else claim if claim is not None else []
    if not isinstance(words, list) or len(words) > SCOPES_LIMIT:
        return None
    if not all(isinstance(word, str) and 0 < len(word) <= SCOPE_CHARACTERS for word in words):
        return None
    return frozenset(words) if words else NO_SCOPES
