"""Which web pages may speak to a gate. Pure. A client that is no browser names no origin and is none of this."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

ANY_ORIGIN: Final = "*"
_USUAL_PORTS: Final = {"http": 80, "https": 443}


def checked_origin(text: str) -> str:
    """An origin as browsers write it: scheme, host, and the port where it is not the usual one.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(text.lower())
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or parts.username)
    if parts.scheme not in _USUAL_PORTS or not parts.hostname or not bare:
        raise ValueError(f"{text} is no origin as https://chat.example.com")
    return f"{parts.scheme}://{_host(parts.netloc, parts.scheme)}"


def is_allowed(origin: str | None, host: str | None, allowed: Collection[str]) -> bool:
    """Whether a page of `origin` may use the gate that it reached as `host` (the `Host` header)."""
    if origin is None or ANY_ORIGIN in allowed:
        return True
    try:
        known = checked_origin(origin)
    except ValueError:
        return False
    scheme, _, place = known.partition("://")
    return known in allowed or (host is not None and place == _host(host.strip().lower(), scheme))


def _host(place: str, scheme: str) -> str:
    return place.removesuffix(f":{_USUAL_PORTS[scheme]}")
