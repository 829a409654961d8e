"""What a gate is told at its start; every limit of design §9 that a gate watches is here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from schemas import limits
from schemas.ids import GATE_ID_PATTERN
from services.gateway.bounds import FeedLimits, Patience
from services.gateway.tokens import SECRET_BYTES
from services.runtime.settings import Port, Seconds, ServiceSettings

Count = Annotated[int, Field(ge=1)]


class GatewaySettings(ServiceSettings):
    """Settings come from `GATEHOUSE_*`; defaults suit one gate with some thousand connections.

    Attributes:
        http_host, http_port: the one address for WebSocket, REST, pages and operations.
        jwt_secret: the HS256 secret that tokens are signed with, at least 32 bytes.
        gate_id: fixed only for tests; otherwise new at every start, as design §1 wants.
        demo: log in by name as alice, bob or charlie, and seed two rooms.
        hello_seconds: how long a connection may stay without an identity.
        request_seconds: how long an HTTP client may take to send a head, to send a body, or to go on reading.
        ping_seconds, pong_seconds: the heartbeat.
        close_seconds: how long a client may take to answer a close before the socket is cut.
        command_seconds, query_seconds, hole_seconds: bounds of one answer.
        replay_seconds: how long an `attach` with a position may wait for its replay before it is reset.
        conversation_sockets_per_user: sockets of one user in one conversation at this gate.
        handshakes_at_once: handshakes of conversations that may wait for history; more are told to come back.
        frame_bytes: a larger frame is answered `too_large`; one above `frame_discard_bytes` costs the connection.
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

    http_host: str = "127.0.0.1"
    http_port: Port = 8080
    jwt_secret: Annotated[str, Field(min_length=SECRET_BYTES)]
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
    command_rate: Annotated[float, Field(gt=0)] = 20
    command_burst: Annotated[float, Field(ge=1)] = 40
    in_flight_per_connection: Count = 32
    in_flight_per_gate: Count = 4096
    rooms_per_connection: Count = 200
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
