"""Where keys come from: settings, files, or an address that is asked again and again. What a key is: `keyring.py`."""

from __future__ import annotations

import asyncio
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

import structlog

from services.gateway.keyring import BadKeys, KeyRing, public_ring, ring_of_set, secret_ring
from services.gateway.metrics import Metrics
from services.gateway.settings import GatewaySettings
from services.gateway.tokens import Claims, Verifier
from services.runtime.broker import wait_or
from services.runtime.observe import Health

log = structlog.get_logger()

HEALTH_PART: Final = "keys"
SET_BYTES: Final = 256 * 1024
FETCH_SECONDS: Final = 5.0
LOOK_SECONDS: Final = 0.25
WAITING_LIMIT: Final = 1_000

Read = Callable[[], bytes]


class NotRead(Exception):
    """The keys could not be had this time; the text says why."""


def make_verifier(settings: GatewaySettings) -> Verifier:
    """The verifier that the settings describe. One whose keys have an address begins with none.

    Raises:
        SystemExit: the secret is none, or a file that should hold keys does not; the text says which, and why.
    """
    claims = Claims(
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        required=settings.jwt_required_claims,
        skew_seconds=settings.jwt_skew_seconds,
    )
    return Verifier(_first_ring(settings), claims)


def _first_ring(settings: GatewaySettings) -> KeyRing:
    if settings.jwt_secret is not None:
        return _ring_of_secret(settings.jwt_secret)
    if settings.jwt_jwks_url is not None:
        return KeyRing(named=True)
    file = settings.jwt_public_key_file or settings.jwt_jwks_file
    if file is None:
        raise AssertionError("settings without any keys are refused")
    make = public_ring if settings.jwt_public_key_file else ring_of_set
    try:
        return make(_read_file(file), settings.allowed_algorithms)
    except (NotRead, BadKeys) as error:
        raise SystemExit(f"gatehouse gateway: no token can be checked with {file}: {error}") from error


def _ring_of_secret(secret: str) -> KeyRing:
    try:
        return secret_ring(secret)
    except BadKeys as error:
        raise SystemExit(f"gatehouse gateway: no token can be checked with GATEHOUSE_JWT_SECRET: {error}") from error


class KeyKeeper:
    """Keeps a verifier's JWK set fresh: every `jwt_jwks_refresh_seconds`, and early when a token names an unknown key,
    but never sooner than `jwt_jwks_pause_seconds` after the last time. What fails leaves the old keys in use."""

    def __init__(self, settings: GatewaySettings, verifier: Verifier, metrics: Metrics) -> None:
        self._settings = settings
        self._verifier = verifier
        self._metrics = metrics
        self._read = _reader(settings)
        self._wanted = False
        self._waiting: set[asyncio.Future[bool]] = set()
        self._reading: asyncio.Task[bytes] | None = None
        self._count()

    @property
    def refreshes(self) -> bool:
        """Whether there is anything to keep fresh: a secret and a PEM file are read once."""
        return self._read is not None

    async def serve(self, health: Health, stopping: asyncio.Event) -> None:
        """Refresh until `stopping` is set; the gate is not ready before it has keys."""
        if self._read is None:
            return
        health.expect(HEALTH_PART)
        while not stopping.is_set():
            self._tell(outcome=await self._refresh(self._read))
            await self._rest(health, stopping)
        self._tell(outcome=False)

    async def look_again(self) -> bool | None:
        """Wait for the next refresh, which comes early for it: whether it worked; None when none came in time."""
        if self._read is None or len(self._waiting) >= WAITING_LIMIT:
            return None
        told: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.add(told)
        self._wanted = True
        try:
            async with asyncio.timeout(self._settings.jwt_key_wait_seconds):
                return await told
        except TimeoutError:
            return None
        finally:
            self._waiting.discard(told)

    async def _rest(self, health: Health, stopping: asyncio.Event) -> None:
        """Until the next refresh is due."""
        began = time.monotonic()
        while not self._is_due(time.monotonic() - began):
            if self._verifier.keys.keys:
                health.beat(HEALTH_PART, time.monotonic())
            if await wait_or(stopping, LOOK_SECONDS):
                return

    def _is_due(self, passed: float) -> bool:
        pause, regular = self._settings.jwt_jwks_pause_seconds, self._settings.jwt_jwks_refresh_seconds
        early = self._wanted or not self._verifier.keys.keys
        return passed >= (pause if early else max(pause, regular))

    async def _refresh(self, read: Read) -> bool:
        self._wanted = False
        try:
            ring = ring_of_set(await self._read_aside(read), self._settings.allowed_algorithms)
        except (NotRead, BadKeys, TimeoutError) as error:
            self._metrics.key_refreshes.labels("failed").inc()
            log.warning("keys_not_refreshed", keys_in_use=len(self._verifier.keys.keys), error=str(error) or "too slow")
            return False
        if ring != self._verifier.keys:
            log.info("keys_changed", kids=[key.kid for key in ring.keys], passed_over=list(ring.passed_over))
        self._verifier.keys = ring
        self._metrics.key_refreshes.labels("ok").inc()
        self._count()
        return True

    async def _read_aside(self, read: Read) -> bytes:
        """Read in a thread; one that hangs is not joined by a second."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(asyncio.to_thread(read))
            self._reading.add_done_callback(_look_at_error)
        async with asyncio.timeout(FETCH_SECONDS * 2):
            return await asyncio.shield(self._reading)

    def _tell(self, *, outcome: bool) -> None:
        for told in self._waiting:
            if not told.done():
                told.set_result(outcome)

    def _count(self) -> None:
        self._metrics.keys.set(len(self._verifier.keys.keys))


def _look_at_error(reading: asyncio.Task[bytes]) -> None:
    """Nobody may be waiting any more for what failed late."""
    if not reading.cancelled():
        reading.exception()


def _reader(settings: GatewaySettings) -> Read | None:
    url, file = settings.jwt_jwks_url, settings.jwt_jwks_file
    if url is not None:
        return lambda: _fetch(url)
    return None if file is None else lambda: _read_file(file)


def _read_file(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return _bounded(opened)
    except OSError as error:
        raise NotRead(error.strerror or str(error)) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, or not at all."""

    def redirect_request(self, *_: Any) -> None:  # Any: urllib's own
        """Follow none."""


# No proxies: only settings decide where keys come from.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirects())


def _fetch(url: str) -> bytes:
    asked = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the settings check it
    try:
        with _OPENER.open(asked, timeout=FETCH_SECONDS) as response:
            return _bounded(response)
    except urllib.error.HTTPError as error:
        error.close()
        raise NotRead(f"the address answers {error.code}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotRead(f"{type(error).__name__}: {error}") from error


def _bounded(source: IO[bytes]) -> bytes:
    """All of it, in pieces, so that a source that drips ends in time too."""
    until = time.monotonic() + FETCH_SECONDS
    data = b""
    read = getattr(source, "read1", source.read)
    while piece := read(SET_BYTES + 1 - len(data)):
        data += piece
        if len(data) > SET_BYTES:
            raise NotRead(f"it has more than {SET_BYTES} bytes")
        if time.monotonic() > until:
            raise NotRead(f"it did not come within {FETCH_SECONDS:g} seconds")
    return data
