"""Keys for tests, made once, and what is made of them: tokens, PEM files, JWK sets."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import get_default_algorithms

CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1(), "ES256K": ec.SECP256K1()}


def private_key(algorithm: str, number: int = 0, bits: int = 2048) -> Any:
    """The `number`th key of that algorithm's type, always the same."""
    return _made(algorithm, number, bits)


@cache
def _made(algorithm: str, number: int, bits: int) -> Any:
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm])
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, bits)


def pem(algorithm: str, number: int = 0, bits: int = 2048) -> bytes:
    public = private_key(algorithm, number, bits).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_pem(algorithm: str) -> bytes:
    return private_key(algorithm).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def jwk(algorithm: str, number: int = 0, bits: int = 2048, **fields: Any) -> dict[str, Any]:
    maker: Any = get_default_algorithms()[algorithm]
    made = maker.to_jwk(private_key(algorithm, number, bits).public_key(), as_dict=True)
    made.pop("key_ops", None)
    return made | fields


def jwk_set(*keys: object) -> bytes:
    return json.dumps({"keys": keys}).encode()


def signed(algorithm: str, claims: dict[str, Any], number: int = 0, **head: Any) -> str:
    return jwt.encode(claims, private_key(algorithm, number), algorithm=algorithm, headers=head)


def by_hand(head: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token of any head, which no library would make."""
    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
