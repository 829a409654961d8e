"""The one registry of codes: what each says, whether the command may have been applied, and its status on each door.

Close codes tell a client what to do by their range: 4000-4499 come back with backoff, 4500-4999 do not come back.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """Every code that a refusal or a close can carry."""

    BAD_FRAME = "bad_frame"
    BAD_FIELD = "bad_field"
    BAD_ROUTE = "bad_route"
    TOO_LARGE = "too_large"
    UNKNOWN_COMMAND = "unknown_command"
    UNAUTHENTICATED = "unauthenticated"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    KEYS_UNAVAILABLE = "keys_unavailable"
    NOT_ALLOWED = "not_allowed"
    NOT_A_MEMBER = "not_a_member"
    ALREADY_A_MEMBER = "already_a_member"
    MEMBER_NOT_FOUND = "member_not_found"
    LAST_OWNER = "last_owner"
    BANNED = "banned"
    NOT_BANNED = "not_banned"
    MUTED = "muted"
    ROOM_NOT_FOUND = "room_not_found"
    ROOM_EXISTS = "room_exists"
    ROOM_FULL = "room_full"
    TOO_MANY = "too_many"
    ROOM_CLOSED = "room_closed"
    INVITE_INVALID = "invite_invalid"
    MESSAGE_NOT_FOUND = "message_not_found"
    NOT_ATTACHED = "not_attached"
    TOO_MANY_ROOMS = "too_many_rooms"
    DUPLICATE_IN_FLIGHT = "duplicate_in_flight"
    RATE_LIMITED = "rate_limited"
    OVERLOADED = "overloaded"
    NO_ANSWER = "no_answer"
    INTERNAL = "internal"
    DRAINING = "draining"
    SLOW_CONSUMER = "slow_consumer"
    HEARTBEAT_MISSED = "heartbeat_missed"
    IDLE_EVICTED = "idle_evicted"
    BROKER_LOST = "broker_lost"
    BAD_PROTOCOL = "bad_protocol"
    TOO_MANY_CONNECTIONS = "too_many_connections"


@dataclass(frozen=True, slots=True)
class ErrorSpec:
    """What a code means on every door.

    Attributes:
        message: the default sentence.
        definite: the command was certainly not applied.
        retry: sending the same command again (same command_id, `retry: true`) may succeed.
        http: REST status.
        grpc: canonical gRPC status name.
        close: WebSocket close code, for the codes that end a connection.
    """

    message: str
    definite: bool
    retry: bool
    http: int
    grpc: str
    close: int | None = None


def _final(message: str, http: int, grpc: str, close: int | None = None) -> ErrorSpec:
    return ErrorSpec(message, definite=True, retry=False, http=http, grpc=grpc, close=close)


def _again(message: str, http: int, grpc: str, close: int | None = None) -> ErrorSpec:
    return ErrorSpec(message, definite=True, retry=True, http=http, grpc=grpc, close=close)


def _unknown(message: str, http: int, grpc: str, close: int | None = None) -> ErrorSpec:
    return ErrorSpec(message, definite=False, retry=True, http=http, grpc=grpc, close=close)


ERRORS: Final[dict[Code, ErrorSpec]] = {
    Code.BAD_FRAME: _final("the frame is not a JSON object with a known type", 400, "INVALID_ARGUMENT"),
    Code.BAD_FIELD: _final("a field is missing, unknown or has a wrong value", 400, "INVALID_ARGUMENT"),
    Code.BAD_ROUTE: _final("the routing key does not match the body", 400, "INVALID_ARGUMENT"),
    Code.TOO_LARGE: _final("the frame or the field is larger than its limit", 413, "INVALID_ARGUMENT"),
    Code.UNKNOWN_COMMAND: _final("no such command or query is served here", 400, "UNIMPLEMENTED"),
    Code.UNAUTHENTICATED: _final("no valid identity was given", 401, "UNAUTHENTICATED", 4500),
    Code.TOKEN_EXPIRED: _final("the token has expired", 401, "UNAUTHENTICATED", 4500),
    Code.KEYS_UNAVAILABLE: _again("the gate cannot get the keys to check tokens with", 503, "UNAVAILABLE", 4005),
    Code.NOT_ALLOWED: _final("the user's role does not allow this", 403, "PERMISSION_DENIED"),
    Code.NOT_A_MEMBER: _final("user is not a member of this room", 403, "PERMISSION_DENIED"),
    Code.ALREADY_A_MEMBER: _final("user is already a member of this room", 409, "ALREADY_EXISTS"),
    Code.MEMBER_NOT_FOUND: _final("the user named is not a member of this room", 404, "NOT_FOUND"),
    Code.LAST_OWNER: _final("the last owner must name another before going", 409, "FAILED_PRECONDITION"),
    Code.BANNED: _final("user is banned from this room", 403, "PERMISSION_DENIED", 4502),
    Code.NOT_BANNED: _final("the user named is not banned from this room", 404, "NOT_FOUND"),
    Code.MUTED: _final("user is muted in this room", 403, "PERMISSION_DENIED"),
    Code.ROOM_NOT_FOUND: _final("room not found", 404, "NOT_FOUND"),
    Code.ROOM_EXISTS: _final("a room of this id exists already", 409, "ALREADY_EXISTS"),
    Code.ROOM_FULL: _final("room is at maximum capacity", 429, "RESOURCE_EXHAUSTED"),
    Code.TOO_MANY: _final("the room or the message holds as many of these as it may", 429, "RESOURCE_EXHAUSTED"),
    Code.ROOM_CLOSED: _final("room is closed", 409, "FAILED_PRECONDITION"),
    Code.INVITE_INVALID: _final("the invite is unknown, expired, used up or revoked", 403, "PERMISSION_DENIED"),
    Code.MESSAGE_NOT_FOUND: _final("message not found", 404, "NOT_FOUND"),
    Code.NOT_ATTACHED: _final("this connection is not attached to the room", 409, "FAILED_PRECONDITION"),
    Code.TOO_MANY_ROOMS: _final("this connection is attached to too many rooms", 429, "RESOURCE_EXHAUSTED"),
    Code.DUPLICATE_IN_FLIGHT: _unknown("the same command is being decided right now", 409, "ABORTED"),
    Code.RATE_LIMITED: _again("too many commands, slow down", 429, "RESOURCE_EXHAUSTED"),
    Code.OVERLOADED: _again("the service cannot take more right now", 503, "UNAVAILABLE"),
    Code.NO_ANSWER: _unknown("no answer came in time; it may have been applied", 504, "DEADLINE_EXCEEDED"),
    Code.INTERNAL: _unknown("something broke on our side", 500, "INTERNAL"),
    Code.DRAINING: _again("this gate is going down, connect to another", 503, "UNAVAILABLE", 4000),
    Code.SLOW_CONSUMER: _again("the connection did not keep up with its rooms", 429, "RESOURCE_EXHAUSTED", 4001),
    Code.HEARTBEAT_MISSED: _again("no pong came in time", 408, "DEADLINE_EXCEEDED", 4002),
    Code.IDLE_EVICTED: _again("the connection was idle for too long", 408, "DEADLINE_EXCEEDED", 4003),
    Code.BROKER_LOST: _again("the gate lost its broker for too long", 503, "UNAVAILABLE", 4004),
    Code.BAD_PROTOCOL: _final("the client does not speak this protocol", 400, "INVALID_ARGUMENT", 4501),
    Code.TOO_MANY_CONNECTIONS: _final("too many connections of this user or address", 429, "RESOURCE_EXHAUSTED", 4503),
}


class ParkReason(StrEnum):
    """Why a delivery was set aside in `chat.parked` instead of being settled."""

    MALFORMED = "malformed"
    UNATTRIBUTED = "unattributed"
    MISROUTED = "misrouted"
    POISON = "poison"
    STALE_FENCE = "stale_fence"
    CONFLICT = "conflict"
