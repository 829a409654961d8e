"""What a gate is told at its start; every limit of design §9 that a gate watches is here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from schemas import limits
from schemas.ids import GATE_ID_PATTERN
from services.gateway.addresses import Network, network_of
from services.gateway.bounds import FeedLimits, Patience
from services.gateway.keyring import PUBLIC_ALGORITHMS, SECRET_ALGORITHM, USUAL_ALGORITHMS
from services.gateway.origins import ANY_ORIGIN, checked_origin
from services.gateway.tokens import SECRET_BYTES, SKEW_SECONDS
from services.gateway.visitors import VisitorLimits
from services.runtime.settings import Port, Seconds, ServiceSettings

Count = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0)]
Burst = Annotated[float, Field(ge=1)]
KEY_SOURCES = ("jwt_secret", "jwt_public_key_file", "jwt_jwks_url", "jwt_jwks_file")


def _none_if_empty(value: Any) -> Any:  # Any: whatever the environment holds
    return None if value == "" else value


def _parts(value: Any) -> Any:  # Any: whatever the environment holds
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _checked_keys_url(value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("http", "https") or not address.hostname or address.username is not None:
        raise ValueError("keys are fetched from https://host/path (or http://, within a network that is trusted)")
    return value


def _checked_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(value if value == ANY_ORIGIN else checked_origin(value) for value in values)


def _checked_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(network_of(value)) for value in values)


def _checked_algorithms(values: tuple[str, ...]) -> tuple[str, ...]:
    known = sorted(PUBLIC_ALGORITHMS | {SECRET_ALGORITHM})
    if unknown := [value for value in values if value not in known]:
        raise ValueError(f"{', '.join(unknown)}: the algorithms known are {', '.join(known)}")
    return values


Parts = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_parts)]
EmptyIsNone = BeforeValidator(_none_if_empty)


class GatewaySettings(ServiceSettings):
    """Settings come from `GATEHOUSE_*`; defaults suit one gate with some thousand connections.

    Attributes:
        http_host, http_port: the gate's own address, for WebSocket, REST, pages and operations alike.
        shared_port: a port on the same host that gates share: each listens there beside its own once it is ready, and
            the kernel spreads new connections over them (`SO_REUSEPORT`). They must be processes of one user.
        jwt_secret: the HS256 secret that tokens are signed with, at least 32 bytes. Of this and the next three exactly
            one is given; an empty one counts as not given.
        jwt_public_key_file: a PEM file with the public key (RSA, EC, Ed25519) that tokens are checked with.
        jwt_jwks_url: where a JWK set is fetched. Without an answer the gate starts, and is not ready until it has keys.
        jwt_jwks_file: a file with a JWK set; it is read again like an address.
        jwt_algorithms: the only algorithms allowed, with commas. Without it RS256 for RSA keys, and for others the one
            that fits.
        jwt_issuer: what `iss` of a token must be.
        jwt_audience: one of these, with commas, must be in `aud`; without it a token must have no `aud`.
        jwt_required_claims: claims, with commas, that a token must have beside `sub` and `exp`.
        jwt_skew_seconds: how far the clocks of who issues tokens and of a gate may differ.
        jwt_jwks_refresh_seconds: how often a JWK set is read again.
        jwt_jwks_pause_seconds: a token with an unknown `kid` has the set read early, but not sooner than so long after
            the last time.
        jwt_key_wait_seconds: how long such a token may wait.
        token_in_query: whether a WebSocket handshake may carry its token as `?token=`. Switched off, that is
            answered 400.
        allowed_origins: origins, with commas, whose pages may use WebSocket and REST beside those of the gate's own
            host; `*` is any.
        trusted_proxies: addresses and networks, with commas, whose `X-Forwarded-For` and `X-Forwarded-Proto` count.
        connections_per_gate: a handshake beyond is answered 503.
        connections_per_address: a handshake beyond is answered 429. An IPv6 address counts by its /64.
        connects_per_address_rate, connects_per_address_burst: handshakes of one address, a second and at once; 429.
        connections_per_user: one more is closed with 4503.
        command_rate, command_burst: commands and reads of one connection, a second and at once; `rate_limited`.
        user_rate, user_burst: the same for all connections and REST requests of a user on this gate.
        in_flight_per_user: commands of a user without an answer on this gate, and as many reads by REST; `overloaded`.
        in_flight_per_connection, in_flight_per_gate: commands without an answer; `overloaded`.
        rooms_per_connection: rooms that a connection may be attached to.
        users_remembered, addresses_remembered: of how many the rates are known; beyond, the longest quiet is forgotten.
        gate_id: fixed only for tests; otherwise new at every start, as design §1 wants.
        demo: log in by name as alice, bob or charlie, and seed two rooms.
        hello_seconds: how long a connection may stay without an identity.
        request_seconds: how long an HTTP client may take to send a head, to send a body, or to go on reading.
        ping_seconds, pong_seconds: the heartbeat.
        close_seconds: how long a client may take to answer a close before the socket is cut.
        command_seconds, query_seconds: bounds of one answer.
        hole_seconds: the bound of one answer about missing events; a gap of a room is given up after three of them.
        replay_seconds: how long an `attach` with a position may wait for its replay before it is reset.
        conversation_sockets_per_user: sockets of one user in one conversation at this gate.
        handshakes_at_once: handshakes of conversations that may wait for history; more are told to come back.
        frame_bytes: a larger frame is answered `too_large`; above `frame_discard_bytes`, or of a stranger, it costs the
            connection.
        probe_seconds: after so long without a delivery the gate sends one to itself through the fan-out.
        write_buffer_bytes: with more than this unsent a connection counts its backlog, and nothing is read from it.
        backlog_frames, backlog_bytes: pushes that still have a place then; what comes beyond is replayed later.
        lag_seconds: a connection whose backlog was full for so long is closed.
        idle_seconds: a connection without a room is closed when it says nothing for so long.
        held_events, held_bytes: events of a room that wait behind a gap; what comes beyond is fetched later.
        replay_held_events, replay_held_bytes: live events that wait behind one session's replay; beyond, it is reset.
        drain_batch, drain_step_seconds: at its end a gate sends so many connections away at once, one batch a step.
        queue_length: deliveries that may wait in this gate's queue before the oldest are dropped.
    """

    # A secret that is too short must not be shown for it.
    model_config = SettingsConfigDict(hide_input_in_errors=True)

    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    shared_port: Annotated[Annotated[int, Field(ge=1, le=65535)] | None, EmptyIsNone] = None
    jwt_secret: Annotated[Annotated[str, Field(min_length=SECRET_BYTES)] | None, EmptyIsNone] = None
    jwt_public_key_file: Annotated[Path | None, EmptyIsNone] = None
    jwt_jwks_url: Annotated[Annotated[str, AfterValidator(_checked_keys_url)] | None, EmptyIsNone] = None
    jwt_jwks_file: Annotated[Path | None, EmptyIsNone] = None
    jwt_algorithms: Annotated[Parts, AfterValidator(_checked_algorithms)] = ()
    jwt_issuer: Annotated[str | None, EmptyIsNone] = None
    jwt_audience: Parts = ()
    jwt_required_claims: Parts = ()
    jwt_skew_seconds: Annotated[float, Field(ge=0, le=300)] = SKEW_SECONDS
    jwt_jwks_refresh_seconds: Annotated[float, Field(gt=0, le=24 * 3600)] = 300
    jwt_jwks_pause_seconds: Seconds = 5
    jwt_key_wait_seconds: Annotated[float, Field(gt=0, le=30)] = 7
    token_in_query: bool = True
    allowed_origins: Annotated[Parts, AfterValidator(_checked_origins)] = ()
    trusted_proxies: Annotated[Parts, AfterValidator(_checked_networks)] = ()
    gate_id: Annotated[str, Field(pattern=GATE_ID_PATTERN)] | None = None
    demo: bool = False

    hello_seconds: Seconds = 10
    request_seconds: Seconds = 10
    ping_seconds: Seconds = 25
    pong_seconds: Seconds = 10
    close_seconds: Seconds = 5
    command_seconds: Seconds = 15
    query_seconds: Seconds = 10
    hole_seconds: Seconds = 5
    replay_seconds: Seconds = 10
    probe_seconds: Seconds = 60
    lag_seconds: Seconds = 30
    idle_seconds: Seconds = 600

    frame_bytes: Annotated[int, Field(ge=1024, le=limits.FRAME_BYTES)] = limits.FRAME_BYTES
    frame_discard_bytes: Count = 2 * 1024 * 1024
    write_buffer_bytes: Count = 64 * 1024
    backlog_frames: Count = 256
    backlog_bytes: Count = 1024 * 1024
    connections_per_gate: Count = 20_000
    connections_per_address: Count = 4096
    connects_per_address_rate: Rate = 500
    connects_per_address_burst: Burst = 4096
    connections_per_user: Count = 256
    command_rate: Rate = 20
    command_burst: Burst = 40
    user_rate: Rate = 200
    user_burst: Burst = 400
    in_flight_per_user: Count = 256
    in_flight_per_connection: Count = 32
    in_flight_per_gate: Count = 4096
    rooms_per_connection: Count = 200
    users_remembered: Count = 50_000
    addresses_remembered: Count = 50_000
    conversation_sockets_per_user: Count = 1_000
    handshakes_at_once: Count = 1_000

    ring_events: Count = 256
    ring_bytes: Count = 256 * 1024
    held_events: Count = 1_000
    held_bytes: Count = 1024 * 1024
    resume_limit: Count = 1_000
    resume_bytes: Count = 768 * 1024
    replay_held_events: Count = 256
    replay_held_bytes: Count = 1024 * 1024
    replays_at_once: Count = 8
    queue_length: Count = 10_000
    drain_batch: Count = 200
    drain_step_seconds: Seconds = 0.25

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.shared_port == self.http_port:
            raise ValueError("GATEHOUSE_SHARED_PORT must differ from GATEHOUSE_HTTP_PORT: that one is the gate's own")
        return self

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        given = [name for name in KEY_SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            told = ", ".join(f"GATEHOUSE_{name.upper()}" for name in given or KEY_SOURCES)
            raise ValueError(
                f"tokens are checked with one source of keys, and these are given: {told}"
                if given
                else f"nothing to check tokens with: give one of {told}"
            )
        if self.demo and self.jwt_secret is None:
            raise ValueError("GATEHOUSE_DEMO makes tokens by itself, and that needs GATEHOUSE_JWT_SECRET")
        fitting = {SECRET_ALGORITHM} if self.jwt_secret is not None else PUBLIC_ALGORITHMS
        if unfit := set(self.jwt_algorithms) - fitting:
            raise ValueError(f"{', '.join(sorted(unfit))} in GATEHOUSE_JWT_ALGORITHMS cannot be used with {given[0]}")
        return self

    @property
    def allowed_algorithms(self) -> frozenset[str]:
        """What `jwt_algorithms` says, or the usual ones."""
        return frozenset(self.jwt_algorithms) or USUAL_ALGORITHMS

    @property
    def proxies(self) -> tuple[Network, ...]:
        """`trusted_proxies`, read."""
        return tuple(network_of(value) for value in self.trusted_proxies)

    @property
    def feed_limits(self) -> FeedLimits:
        """How much of each room is kept."""
        return FeedLimits(
            ring_events=self.ring_events,
            ring_bytes=self.ring_bytes,
            held_events=self.held_events,
            held_bytes=self.held_bytes,
            resume_events=self.resume_limit,
            replay_held_events=self.replay_held_events,
            replay_held_bytes=self.replay_held_bytes,
        )

    @property
    def patience(self) -> Patience:
        """How long each client may take."""
        return Patience(
            hello_seconds=self.hello_seconds,
            ping_seconds=self.ping_seconds,
            pong_seconds=self.pong_seconds,
            lag_seconds=self.lag_seconds,
            idle_seconds=self.idle_seconds,
            close_seconds=self.close_seconds,
        )

    @property
    def visitor_limits(self) -> VisitorLimits:
        """How much each user and address may have and ask for."""
        return VisitorLimits(
            connections=self.connections_per_gate,
            connections_per_address=self.connections_per_address,
            connects_per_address_rate=self.connects_per_address_rate,
            connects_per_address_burst=self.connects_per_address_burst,
            connections_per_user=self.connections_per_user,
            user_rate=self.user_rate,
            user_burst=self.user_burst,
            reads_per_user=self.in_flight_per_user,
            users_remembered=self.users_remembered,
            addresses_remembered=self.addresses_remembered,
        )
