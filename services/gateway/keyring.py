"""The keys that tokens are checked with, and which algorithm fits which. Pure: reading and fetching is `keys.py`'s.

A key is used only with algorithms of its own type, whatever a token's head or the key's own `alg` says: a public key is
never taken for an HMAC secret, and a set of public keys never brings a secret along.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm

PublicKey: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

SECRET_ALGORITHM: Final = "HS256"  # noqa: S105 - an algorithm, not a secret
RSA_ALGORITHMS: Final = frozenset(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"))
CURVE_ALGORITHMS: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
ED25519_ALGORITHM: Final = "EdDSA"
PUBLIC_ALGORITHMS: Final = RSA_ALGORITHMS | {*CURVE_ALGORITHMS.values(), ED25519_ALGORITHM}
# Without a word of the operator: one algorithm for each type of key.
USUAL_ALGORITHMS: Final = frozenset((SECRET_ALGORITHM, "RS256", *CURVE_ALGORITHMS.values(), ED25519_ALGORITHM))
RSA_BITS: Final = 2048
KEYS_LIMIT: Final = 64
KID_CHARACTERS: Final = 256
# What makes a JWK of each type a public key; whatever else stands there is not looked at.
_PUBLIC_FIELDS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


class BadKeys(ValueError):
    """What was given is no key, or no set of keys, that tokens can be checked with."""


@dataclass(frozen=True, slots=True)
class Key:
    """A secret or a public key, and the algorithms it may be used with: never empty."""

    material: jwt.PyJWK | PublicKey
    algorithms: frozenset[str]
    kid: str | None = None


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of the moment. `named`: tokens pick theirs by `kid`; otherwise a `kid` means nothing.

    `passed_over` says of each key of a set that is not used, why.
    """

    keys: tuple[Key, ...] = ()
    named: bool = False
    passed_over: tuple[str, ...] = ()

    def may_check(self, algorithm: object) -> bool:
        """Whether tokens of this algorithm can ever pass here; newer keys of a named ring may bring others along."""
        if self.named:
            return isinstance(algorithm, str) and algorithm in PUBLIC_ALGORITHMS
        return isinstance(algorithm, str) and any(algorithm in key.algorithms for key in self.keys)

    def fitting(self, kid: str | None) -> tuple[Key, ...]:
        """The keys that a token with this `kid` may have been signed with; a named ring may not know it."""
        if not self.named or kid is None:
            return self.keys
        return tuple(key for key in self.keys if key.kid == kid)


class _KnownSecret(HMACAlgorithm):
    """HS256 with a secret that has been looked at: otherwise it is looked at for each token anew whether it is a key of
    another kind, and that takes longer than all else."""

    def prepare_key(self, key: str | bytes) -> bytes:
        """The secret as it is."""
        if isinstance(key, str):
            raise AssertionError("a JWK holds its secret as bytes")  # noqa: TRY004 - a bug, not bad input
        return key


def secret_ring(secret: str) -> KeyRing:
    """One HS256 secret.

    Raises:
        BadKeys: it is a key of another kind.
    """
    try:
        known = HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
    except jwt.InvalidKeyError as error:
        raise BadKeys(f"it is no secret: {error}") from error
    key = jwt.PyJWK({"kty": "oct", "k": urlsafe_b64encode(known).decode()}, SECRET_ALGORITHM)
    key.Algorithm = _KnownSecret(HMACAlgorithm.SHA256)
    return KeyRing((Key(key, frozenset((SECRET_ALGORITHM,))),))


def public_ring(pem: bytes, allowed: frozenset[str]) -> KeyRing:
    """One public key, as PEM.

    Raises:
        BadKeys: it is none, or no allowed algorithm fits it.
    """
    if b"PRIVATE KEY" in pem:
        raise BadKeys("it holds a private key; a gate only needs the public one")
    try:
        material = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadKeys(f"it is no public key in PEM: {error}") from error
    return KeyRing((_public_key(material, allowed, kid=None),))


def ring_of_set(document: bytes, allowed: frozenset[str]) -> KeyRing:
    """The usable keys of a JWK set (RFC 7517 §5); a key of no use is passed over.

    Raises:
        BadKeys: it is no such document, or none of its keys is of use.
    """
    keys: list[Key] = []
    passed_over: list[str] = []
    for entry in _entries(document):
        try:
            keys.append(_key_of(entry, allowed))
        except BadKeys as error:
            passed_over.append(str(error))
    if not keys:
        raise BadKeys(f"the set has no usable key: {'; '.join(passed_over) or 'it is empty'}")
    return KeyRing(tuple(keys), named=True, passed_over=tuple(passed_over))


def _entries(document: bytes) -> list[Any]:  # Any: JSON
    try:
        fields = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise BadKeys(f"it is not JSON: {error}") from error
    entries = fields.get("keys") if isinstance(fields, dict) else None
    if not isinstance(entries, list):
        raise BadKeys('it is no JWK set: an object with a list of "keys"')
    if len(entries) > KEYS_LIMIT:
        raise BadKeys(f"a set has at most {KEYS_LIMIT} keys, this one has {len(entries)}")
    return entries


def _key_of(entry: object, allowed: frozenset[str]) -> Key:
    if not isinstance(entry, dict):
        raise BadKeys("a key is no object")
    kid = _kid_of(entry)
    if entry.get("use", "sig") != "sig" or "verify" not in _operations(entry):
        raise BadKeys(f"key {kid} is not for signatures")
    try:
        return _public_key(_material_of(entry), allowed, kid=kid, own=entry.get("alg"))
    except BadKeys as error:
        raise BadKeys(f"key {kid}: {error}") from error


def _kid_of(entry: Mapping[str, object]) -> str | None:
    kid = entry.get("kid")
    if kid is not None and not is_kid(kid):
        raise BadKeys(f"a kid is a text of at most {KID_CHARACTERS} characters")
    return str(kid) if kid is not None else None


def is_kid(kid: object) -> bool:
    """Whether this can name a key."""
    return isinstance(kid, str) and 0 < len(kid) <= KID_CHARACTERS


def _operations(entry: Mapping[str, object]) -> Iterable[object]:
    told = entry.get("key_ops", ["verify"])
    return told if isinstance(told, list) else ()


def _material_of(entry: Mapping[str, object]) -> object:
    if entry.get("kty") == "oct":
        raise BadKeys("a secret has no place in a set of public keys")
    if "d" in entry:
        raise BadKeys("it is a private key, which everybody knows who can read this set")
    kind = entry.get("kty")
    if not isinstance(kind, str) or kind not in _PUBLIC_FIELDS:
        raise BadKeys("its type is none of RSA, EC and OKP")
    public = {name: entry.get(name) for name in _PUBLIC_FIELDS[kind]}
    if not all(isinstance(value, str) for value in public.values()):
        raise BadKeys(f"its {', '.join(public)} are texts")
    try:
        return jwt.PyJWK({"kty": kind, **public}).key
    except (jwt.PyJWTError, ValueError) as error:
        raise BadKeys(f"it cannot be read: {type(error).__name__}") from error


def _public_key(material: object, allowed: frozenset[str], *, kid: str | None, own: object = None) -> Key:
    if not isinstance(material, RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey):
        raise BadKeys("its type is none of RSA, EC and Ed25519")
    algorithms = _fitting_algorithms(material)
    if own is not None:
        algorithms = frozenset(one for one in algorithms if one == own)
        if not algorithms:
            raise BadKeys(f"its alg {own!r:.40} does not fit its type")
    if not algorithms & allowed:
        raise BadKeys(f"{', '.join(sorted(algorithms))} is not among the algorithms allowed")
    return Key(material, algorithms & allowed, kid)


def _fitting_algorithms(material: PublicKey) -> frozenset[str]:
    match material:
        case RSAPublicKey() if material.key_size < RSA_BITS:
            raise BadKeys(f"an RSA key has at least {RSA_BITS} bits, this one has {material.key_size}")
        case RSAPublicKey():
            return RSA_ALGORITHMS
        case EllipticCurvePublicKey() if material.curve.name in CURVE_ALGORITHMS:
            return frozenset((CURVE_ALGORITHMS[material.curve.name],))
        case EllipticCurvePublicKey():
            raise BadKeys(f"its curve {material.curve.name} is none of P-256, P-384 and P-521")
        case _:
            return frozenset((ED25519_ALGORITHM,))
