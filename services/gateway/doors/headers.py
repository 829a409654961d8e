"""The security headers that every answer of a gate's port has, whoever writes it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Only where TLS is: said over plain HTTP it would be ignored, or would lock people out of what has no TLS.
HTTPS_HEADERS: Final = {"Strict-Transport-Security": "max-age=31536000"}


def security_headers(*, https: bool) -> dict[str, str]:
    """The headers of an answer to a client that came by https, or not."""
    return HEADERS | HTTPS_HEADERS if https else HEADERS


def is_https(forwarded_proto: Sequence[str], *, trusted: bool) -> bool:
    """Whether a trusted proxy says, in `X-Forwarded-Proto`, that its client came by TLS; the last one counts."""
    return trusted and ",".join(forwarded_proto).rpartition(",")[2].strip().lower() in ("https", "wss")
