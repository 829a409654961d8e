"""Which keys are taken, which are passed over, and that no token picks the way it is checked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
import pytest

from schemas.errors import Code
from services.gateway.keyring import (
    KEYS_LIMIT,
    PUBLIC_ALGORITHMS,
    USUAL_ALGORITHMS,
    BadKeys,
    KeyRing,
    public_ring,
    ring_of_set,
    secret_ring,
)
from services.gateway.tokens import (
    Claims,
    Identity,
    KeyUnknown,
    TokenRefused,
    Verdict,
    Verifier,
    secret_verifier,
)
from tests.unit.gateway.signers import by_hand, jwk, jwk_set, pem, private_key, private_pem, signed

NOW = 1_000_000.0
GOOD = {"sub": "ann", "exp": NOW + 60}
TYPES = ["RS256", "ES256", "ES384", "ES512", "EdDSA"]


def by_pem(algorithm: str, allowed: frozenset[str] = USUAL_ALGORITHMS, **claims: Any) -> Verifier:
    return Verifier(public_ring(pem(algorithm), allowed), Claims(**claims))


def by_set(*keys: object, allowed: frozenset[str] = USUAL_ALGORITHMS) -> Verifier:
    return Verifier(ring_of_set(jwk_set(*keys), allowed))


def refused(verdict: Verdict) -> str:
    assert isinstance(verdict, TokenRefused), verdict
    assert verdict.code is Code.UNAUTHENTICATED
    return verdict.message


@pytest.mark.parametrize("algorithm", TYPES)
def test_a_public_key_checks_what_its_private_key_signed(algorithm: str) -> None:
    verifier = by_pem(algorithm)
    assert isinstance(verifier.verify(signed(algorithm, GOOD), NOW), Identity)
    refused(verifier.verify(signed(algorithm, GOOD, 1), NOW))


@pytest.mark.parametrize("algorithm", TYPES)
def test_a_key_of_a_set_checks_what_its_private_key_signed(algorithm: str) -> None:
    verifier = by_set(jwk(algorithm, kid="a"))
    assert isinstance(verifier.verify(signed(algorithm, GOOD, kid="a"), NOW), Identity)
    assert isinstance(verifier.verify(signed(algorithm, GOOD), NOW), Identity)
    refused(verifier.verify(signed(algorithm, GOOD, 1, kid="a"), NOW))


@pytest.mark.parametrize("key", TYPES)
@pytest.mark.parametrize("token", TYPES)
def test_a_token_of_another_type_than_the_key_is_refused(key: str, token: str) -> None:
    if key != token:
        refused(by_pem(key).verify(signed(token, GOOD), NOW))
        refused(by_set(jwk(key, kid="a")).verify(signed(token, GOOD, kid="a"), NOW))


@pytest.mark.parametrize("algorithm", ["HS256", "HS512"])
@pytest.mark.parametrize("key", TYPES)
def test_a_public_key_is_no_secret(key: str, algorithm: str) -> None:
    """The oldest trick: sign with the public key, which everybody has, as if it were the secret."""
    head = {"alg": algorithm, "typ": "JWT", "kid": "a"}
    signing_input = by_hand(head, GOOD).rpartition(".")[0]
    digest = hmac.new(pem(key), signing_input.encode(), {"HS256": hashlib.sha256, "HS512": hashlib.sha512}[algorithm])
    token = f"{signing_input}.{base64.urlsafe_b64encode(digest.digest()).rstrip(b'=').decode()}"
    refused(by_pem(key).verify(token, NOW))
    refused(by_set(jwk(key, kid="a")).verify(token, NOW))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 0, [], {}, ["RS256"], "HS256 ", "rs256"])
def test_an_algorithm_that_is_none_is_refused(algorithm: object) -> None:
    token = by_hand({"alg": algorithm, "typ": "JWT"}, GOOD)
    for verifier in (by_pem("RS256"), by_set(jwk("RS256", kid="a")), secret_verifier("s" * 32)):
        refused(verifier.verify(token, NOW))


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256", "PS384", "PS512"])
def test_other_algorithms_of_an_rsa_key_are_for_the_operator_to_allow(algorithm: str) -> None:
    token = jwt.encode(GOOD, private_key("RS256"), algorithm=algorithm)
    refused(by_pem("RS256").verify(token, NOW))
    allowed = by_pem("RS256", frozenset((algorithm,)))
    assert isinstance(allowed.verify(token, NOW), Identity)
    refused(allowed.verify(signed("RS256", GOOD), NOW))


def test_the_alg_of_a_key_narrows_what_it_is_used_with() -> None:
    verifier = by_set(jwk("RS256", kid="a", alg="PS256"), allowed=PUBLIC_ALGORITHMS)
    assert isinstance(
        verifier.verify(jwt.encode(GOOD, private_key("RS256"), algorithm="PS256", headers={"kid": "a"}), NOW), Identity
    )
    refused(verifier.verify(signed("RS256", GOOD, kid="a"), NOW))


@pytest.mark.parametrize(
    "key",
    [
        "a key",
        {"kty": "oct", "kid": "a", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
        {"kty": "RSA", "kid": "a"},
        {"kty": ["RSA"], "kid": "a"},
        {"kty": "RSA", "kid": "a", "n": 17, "e": "AQAB"},
        {"kty": "RSA", "kid": "a", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "a", "n": "\u00e9", "e": "AQAB"},
        {"kty": "EC", "kid": "a", "crv": "P-256", "x": "AQAB", "y": "AQAB"},
        {"kty": "OKP", "kid": "a", "crv": "X25519", "x": "AQAB"},
        jwk("RS256", kid="a", alg="HS256"),
        jwk("RS256", kid="a", alg="ES256"),
        jwk("RS256", kid="a", alg="none"),
        jwk("RS256", kid="a", alg=["RS256"]),
        jwk("ES256", kid="a", alg="RS256"),
        jwk("ES256K", kid="a"),
        jwk("RS256", kid="a", use="enc"),
        jwk("RS256", kid="a", key_ops=["sign"]),
        jwk("RS256", kid="a", key_ops="verify"),
        jwk("RS256", kid="a", d="AQAB"),
        jwk("RS256", bits=1024, kid="a"),
        jwk("RS256", kid=17),
        jwk("RS256", kid="k" * 257),
    ],
)
def test_a_key_of_no_use_is_passed_over_and_the_others_are_used(key: object) -> None:
    ring = ring_of_set(jwk_set(key, jwk("ES256", kid="b")), USUAL_ALGORITHMS)
    assert [one.kid for one in ring.keys] == ["b"]
    assert len(ring.passed_over) == 1
    with pytest.raises(BadKeys, match="no usable key"):
        ring_of_set(jwk_set(key), USUAL_ALGORITHMS)


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b'{"keys": []}', b"\xff", b"[" * 100_000, jwk_set(*["x"] * 65)],
)
def test_what_is_no_set_is_refused(document: bytes) -> None:
    with pytest.raises(BadKeys):
        ring_of_set(document, USUAL_ALGORITHMS)


def test_a_set_of_as_many_keys_as_may_be_is_taken() -> None:
    ring = ring_of_set(jwk_set(*[jwk("ES256", kid=str(number)) for number in range(KEYS_LIMIT)]), USUAL_ALGORITHMS)
    assert len(ring.keys) == KEYS_LIMIT


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (b"", "no public key"),
        (b"s" * 32, "no public key"),
        (private_pem("RS256"), "private key"),
        (pem("RS256", bits=1024), "2048 bits"),
        (pem("ES256K"), "curve"),
    ],
)
def test_a_file_without_a_fit_public_key_says_why(given: bytes, words: str) -> None:
    with pytest.raises(BadKeys, match=words):
        public_ring(given, USUAL_ALGORITHMS)


@pytest.mark.parametrize("key", [pem("RS256").decode(), pem("ES256").decode(), json.dumps(jwk("ES256"))])
def test_a_key_of_another_kind_is_no_secret(key: str) -> None:
    with pytest.raises(BadKeys, match="no secret"):
        secret_ring(key)


def test_a_key_that_no_allowed_algorithm_fits_says_so() -> None:
    with pytest.raises(BadKeys, match="ES256 is not among"):
        public_ring(pem("ES256"), frozenset(("RS256",)))


def test_an_unknown_kid_is_for_newer_keys_to_know() -> None:
    verifier = by_set(jwk("ES256", kid="a"))
    assert verifier.verify(signed("ES256", GOOD, kid="b"), NOW) == KeyUnknown("b")
    verifier.keys = ring_of_set(jwk_set(jwk("ES256", kid="b")), USUAL_ALGORITHMS)
    assert isinstance(verifier.verify(signed("ES256", GOOD, kid="b"), NOW), Identity)
    assert verifier.verify(signed("ES256", GOOD, kid="a"), NOW) == KeyUnknown("a")


def test_without_any_keys_yet_every_token_waits_for_them() -> None:
    verifier = Verifier(KeyRing(named=True))
    assert verifier.verify(signed("ES256", GOOD), NOW) == KeyUnknown(None)
    refused(verifier.verify(jwt.encode(GOOD, "s" * 32, algorithm="HS256", headers={"kid": "b"}), NOW))


@pytest.mark.parametrize("kid", [17, [], {}, "", "k" * 257, True])
def test_a_kid_that_is_none_is_refused_and_has_nothing_fetched(kid: object) -> None:
    refused(by_set(jwk("ES256", kid="a")).verify(by_hand({"alg": "ES256", "kid": kid}, GOOD), NOW))


@pytest.mark.parametrize("kid", ["../../dev/null", "a' OR '1'='1", "http://evil.example/keys", "\u0000", "\U0001f511"])
def test_a_kid_is_only_ever_compared(kid: str) -> None:
    verdict = by_set(jwk("ES256", kid="a")).verify(signed("ES256", GOOD, 1, kid=kid), NOW)
    assert verdict == KeyUnknown(kid)


@pytest.mark.parametrize(
    "head",
    [
        {"jwk": jwk("ES256", 1)},
        {"jku": "http://evil.example/keys"},
        {"x5u": "http://evil.example/keys", "x5c": ["AQAB"]},
    ],
)
def test_a_token_brings_no_key_along(head: dict[str, Any]) -> None:
    refused(by_set(jwk("ES256", kid="a")).verify(signed("ES256", GOOD, 1, kid="a", **head), NOW))


def test_what_a_head_calls_critical_is_not_known_here() -> None:
    token = signed("ES256", GOOD, kid="a", crit=["exp"])
    assert "critical" in refused(by_set(jwk("ES256", kid="a")).verify(token, NOW))


@pytest.mark.parametrize("secret", [False, True])
def test_deep_heads_and_claims_break_nothing(secret: bool) -> None:
    verifier = secret_verifier("s" * 32) if secret else by_pem("ES256")
    deep = base64.urlsafe_b64encode(b"[" * 6_000).rstrip(b"=").decode()
    refused(verifier.verify(f"{deep}..", NOW))
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256"}).encode()).rstrip(b"=").decode()
    digest = hmac.new(b"s" * 32, f"{head}.{deep}".encode(), hashlib.sha256).digest()
    token = f"{head}.{deep}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    refused(verifier.verify(token[:8192], NOW))


def test_a_token_is_bounded_and_what_does_not_fit_is_not_looked_at() -> None:
    assert "8192" in refused(secret_verifier("s" * 32).verify("x" * 8193, NOW))


def claims(verifier: Verifier, **fields: Any) -> Verdict:
    return verifier.verify(signed("ES256", GOOD | fields), NOW)


def test_an_audience_that_is_wanted_must_be_there() -> None:
    verifier = by_pem("ES256", audience=("chat", "mobile"))
    assert isinstance(claims(verifier, aud="chat"), Identity)
    assert isinstance(claims(verifier, aud=["shop", "mobile"]), Identity)
    for wrong in ({}, {"aud": "shop"}, {"aud": []}, {"aud": ["shop"]}, {"aud": 17}, {"aud": "cha"}):
        refused(claims(verifier, **wrong))


def test_an_issuer_that_is_wanted_must_be_there() -> None:
    verifier = by_pem("ES256", issuer="https://id.example")
    assert isinstance(claims(verifier, iss="https://id.example"), Identity)
    for wrong in ({}, {"iss": "https://id.example.evil"}, {"iss": "https://id.example/"}, {"iss": ""}):
        refused(claims(verifier, **wrong))


def test_claims_that_are_required_must_be_there() -> None:
    verifier = by_pem("ES256", required=("email", "tenant"))
    assert isinstance(claims(verifier, email="a@b", tenant=1), Identity)
    assert "tenant" in refused(claims(verifier, email="a@b"))


def test_the_clocks_may_differ_as_far_as_the_operator_says() -> None:
    verifier = by_pem("ES256", skew_seconds=0.0)
    assert isinstance(claims(verifier, exp=NOW + 1), Identity)
    expired = claims(verifier, exp=NOW)
    assert isinstance(expired, TokenRefused)
    assert expired.code is Code.TOKEN_EXPIRED


@pytest.mark.parametrize("exp", ["soon", True, None, [], "Infinity", 10**400])
def test_an_end_that_is_no_moment_is_refused(exp: object) -> None:
    refused(claims(by_pem("ES256"), exp=exp))


def test_a_token_without_an_end_in_numbers_never_lasts_for_ever() -> None:
    refused(claims(by_pem("ES256"), exp=float("inf")))
    refused(claims(by_pem("ES256"), exp=float("nan")))


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("chat:read chat:write", {"chat:read", "chat:write"}),
        ("  a   b ", {"a", "b"}),
        (["a", "b"], {"a", "b"}),
        ("", set()),
        ([], set()),
        (None, set()),
    ],
)
def test_scopes_are_words_or_a_list_of_them(claim: object, scopes: set[str]) -> None:
    identity = claims(by_pem("ES256"), scope=claim)
    assert isinstance(identity, Identity)
    assert identity.scopes == scopes


@pytest.mark.parametrize(
    "claim", [17, {"a": 1}, [1], ["a", ""], [["a"]], " ".join("abc" for _ in range(65)), "x" * 129]
)
def test_scopes_of_no_reasonable_shape_are_refused(claim: object) -> None:
    assert "scope" in refused(claims(by_pem("ES256"), scope=claim))


def test_a_key_without_a_name_among_others_is_tried_for_tokens_that_name_none() -> None:
    verifier = by_set(jwk("ES256", 1, kid="a"), jwk("ES256"), jwk("RS256", kid="b"))
    assert isinstance(verifier.verify(signed("ES256", GOOD), NOW), Identity)
