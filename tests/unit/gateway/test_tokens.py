from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from schemas.errors import Code
from services.gateway.tokens import Claims, Identity, TokenRefused, Verdict, issue, secret_verifier

SECRET = "s" * 32
NOW = 1_000_000.0


def token(secret: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode({"sub": "ann", "exp": NOW + 60} | claims, secret, algorithm=algorithm)


def unsigned(claims: dict[str, Any]) -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), ""])


def verdict(text: str, now: float = NOW) -> Verdict:
    return secret_verifier(SECRET, Claims(skew_seconds=5)).verify(text, now)


def refusal(text: str, now: float = NOW) -> Code:
    refused = verdict(text, now)
    assert isinstance(refused, TokenRefused)
    return refused.code


def test_a_good_token_names_its_user_and_its_end() -> None:
    assert verdict(token()) == Identity("ann", NOW + 65)


def test_an_issued_token_is_accepted() -> None:
    assert verdict(issue("bob", SECRET, now=NOW, lifetime_seconds=60)) == Identity("bob", NOW + 65)


def test_a_user_id_is_normalised() -> None:
    assert verdict(token(sub="e\u0301")) == Identity("\u00e9", NOW + 65)


def test_an_expired_token_says_so() -> None:
    assert refusal(token(exp=NOW - 6)) is Code.TOKEN_EXPIRED


def test_clocks_may_differ_a_little() -> None:
    assert isinstance(verdict(token(exp=NOW - 4)), Identity)
    assert isinstance(verdict(token(nbf=NOW + 4)), Identity)


@pytest.mark.parametrize(
    "text",
    [
        token(secret="x" * 32),
        token(algorithm="HS512", secret="s" * 64),
        jwt.encode({"sub": "ann", "exp": NOW + 60}, SECRET * 2, algorithm="HS512"),
        unsigned({"sub": "ann", "exp": NOW + 60}),
        jwt.encode({"exp": NOW + 60}, SECRET),
        jwt.encode({"sub": "ann"}, SECRET),
        token(nbf=NOW + 60),
        token(nbf="soon"),
        token(exp=True),
        token(sub=17),
        token(sub=""),
        token(sub="a b"),
        token(sub="x" * 129),
        token(aud="somebody else"),
        "",
        "a.b.c",
        "not a token",
        "\ud800",
        token()[:-2],
    ],
)
def test_anything_else_identifies_nobody(text: str) -> None:
    assert refusal(text) is Code.UNAUTHENTICATED
