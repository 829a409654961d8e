"""What an operator may say of keys, origins, proxies and limits; what is wrong is said in a sentence, and no secret."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.gateway.addresses import network_of
from services.gateway.keys import make_verifier
from services.gateway.settings import GatewaySettings
from tests.unit.gateway.signers import jwk, jwk_set, pem, private_pem

SECRET = "unit-tests-secret-0123456789abcdef"
URL = "https://id.example/keys"


def settings(**given: Any) -> GatewaySettings:
    return GatewaySettings(amqp_url="amqp://nowhere", _env_file=None, **given)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("JWT_SECRET", "JWT_JWKS_URL", "DEMO"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "nothing to check tokens with"),
        ({"jwt_secret": ""}, "nothing to check tokens with"),
        ({"jwt_secret": SECRET, "jwt_jwks_url": URL}, "one source of keys"),
        (
            {"jwt_public_key_file": "/a", "jwt_jwks_file": "/b"},
            "GATEHOUSE_JWT_PUBLIC_KEY_FILE, GATEHOUSE_JWT_JWKS_FILE",
        ),
        ({"jwt_secret": "s" * 31}, "at least 32"),
        ({"jwt_jwks_url": URL, "demo": True}, "GATEHOUSE_DEMO"),
        ({"jwt_jwks_url": "id.example/keys"}, "fetched from https"),
        ({"jwt_jwks_url": "file:///etc/passwd"}, "fetched from https"),
        ({"jwt_jwks_url": "https://user:secret@id.example/"}, "fetched from https"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "RS256"}, "cannot be used with jwt_secret"),
        ({"jwt_jwks_url": URL, "jwt_algorithms": "RS256,HS256"}, "HS256 in GATEHOUSE_JWT_ALGORITHMS cannot"),
        ({"jwt_secret": SECRET, "jwt_algorithms": "none"}, "the algorithms known are"),
        ({"jwt_secret": SECRET, "allowed_origins": "chat.example"}, "no origin"),
        ({"jwt_secret": SECRET, "trusted_proxies": "10.0.0.1/8"}, "no network"),
        ({"jwt_secret": SECRET, "shared_port": 8080}, "GATEHOUSE_SHARED_PORT must differ from GATEHOUSE_HTTP_PORT"),
        ({"jwt_secret": SECRET, "shared_port": 0}, "greater than or equal to 1"),
        ({"jwt_secret": SECRET, "connections_per_user": 0}, "greater than or equal to 1"),
        ({"jwt_secret": SECRET, "user_rate": 0}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(**given)
    assert words in str(refused.value)
    assert "sss" not in str(refused.value)
    assert SECRET not in str(refused.value)
    assert "user:secret" not in str(refused.value)


def test_lists_are_written_with_commas(monkeypatch) -> None:
    monkeypatch.setenv("GATEHOUSE_JWT_SECRET", SECRET)
    monkeypatch.setenv("GATEHOUSE_JWT_AUDIENCE", "chat, mobile,")
    monkeypatch.setenv("GATEHOUSE_ALLOWED_ORIGINS", "https://A.example,http://b.example:8080/")
    monkeypatch.setenv("GATEHOUSE_TRUSTED_PROXIES", "10.0.0.0/8, ::1")
    told = settings()
    assert told.jwt_audience == ("chat", "mobile")
    assert told.allowed_origins == ("https://a.example", "http://b.example:8080")
    assert told.proxies == (network_of("10.0.0.0/8"), network_of("::1"))


def test_an_empty_secret_makes_way_for_another_source(monkeypatch) -> None:
    monkeypatch.setenv("GATEHOUSE_JWT_SECRET", "")
    monkeypatch.setenv("GATEHOUSE_JWT_JWKS_URL", URL)
    assert settings().jwt_jwks_url == URL


def test_a_port_is_shared_only_by_those_who_are_told_one(monkeypatch) -> None:
    assert settings(jwt_secret=SECRET).shared_port is None
    monkeypatch.setenv("GATEHOUSE_SHARED_PORT", "")
    assert settings(jwt_secret=SECRET).shared_port is None
    monkeypatch.setenv("GATEHOUSE_SHARED_PORT", "8090")
    assert settings(jwt_secret=SECRET).shared_port == 8090


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("jwt_public_key_file", None, "No such file"),
        ("jwt_public_key_file", private_pem("ES256"), "private key"),
        ("jwt_public_key_file", b"x" * 300_000, "more than"),
        ("jwt_jwks_file", None, "No such file"),
        ("jwt_jwks_file", b"{}", "no JWK set"),
        ("jwt_jwks_file", jwk_set({"kty": "oct", "k": "c2VjcmV0"}), "no usable key"),
    ],
)
def test_a_file_without_keys_ends_the_start_with_a_sentence(tmp_path, name, content, words) -> None:
    file = tmp_path / "keys"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit) as ended:
        make_verifier(settings(**{name: file}))
    assert words in str(ended.value)
    assert str(file) in str(ended.value)


def test_files_with_keys_are_taken(tmp_path) -> None:
    (tmp_path / "pem").write_bytes(pem("EdDSA"))
    (tmp_path / "set").write_bytes(jwk_set(jwk("RS256", kid="a")))
    by_pem = make_verifier(settings(jwt_public_key_file=tmp_path / "pem", jwt_issuer="id", jwt_skew_seconds=0))
    assert [key.algorithms for key in by_pem.keys.keys] == [{"EdDSA"}]
    assert (by_pem.claims.issuer, by_pem.claims.skew_seconds) == ("id", 0)
    by_set = make_verifier(settings(jwt_jwks_file=tmp_path / "set"))
    assert [key.kid for key in by_set.keys.keys] == ["a"]
    assert make_verifier(settings(jwt_jwks_url=URL)).keys.keys == ()


def test_a_public_key_in_the_secrets_place_ends_the_start_with_a_sentence() -> None:
    with pytest.raises(SystemExit) as ended:
        make_verifier(settings(jwt_secret=pem("RS256").decode()))
    assert "GATEHOUSE_JWT_SECRET" in str(ended.value)
    assert "BEGIN" not in str(ended.value)
