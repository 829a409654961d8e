"""Every exchange, queue and routing key, as pure functions (design §2). No other module spells a name of the broker.

The bucket is `crc32(room_id) % 64`, fixed for ever and computed by the publisher: one line in any language.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from zlib import crc32

from schemas.ids import ROOM_ID_PATTERN, GateId, RoomId

COMMANDS: Final = "chat.commands"
INBOX: Final = "chat.inbox"
LOG: Final = "chat.log"
FANOUT: Final = "chat.fanout"
CONTROL: Final = "chat.control"
QUERIES: Final = "chat.queries"
PARKED: Final = "chat.parked"

PARKED_QUEUE: Final = "chat.parked"
INBOX_QUEUE: Final = "gateway.inbox"
QUERIES_QUEUE: Final = "history.queries"
HISTORY_KEY: Final = "history"
CENSUS: Final = "census"
CENSUS_DOTS: Final = 2

_OWN_QUEUES: Final = frozenset({PARKED_QUEUE, INBOX_QUEUE, QUERIES_QUEUE})
_OWN_QUEUE_PREFIXES: Final = ("room.shard.", "history.shard.", "gate.", "control.")

BUCKETS: Final = 64
DEFAULT_SHARDS: Final = 8

_ROOM_ID: Final = re.compile(ROOM_ID_PATTERN)


def bucket(room: RoomId) -> int:
    """The bucket of a room, 0..63; never changes."""
    return crc32(room.encode()) % BUCKETS


def bucket_word(number: int) -> str:
    """A bucket as it stands in a routing key: two digits."""
    return f"{number:02d}"


def check_shards(shards: int) -> int:
    """Raises:
    ValueError: the count is no divisor of 64, so buckets could not be dealt out evenly.
    """
    if shards < 1 or BUCKETS % shards:
        raise ValueError(f"the number of shards must be a divisor of {BUCKETS}, not {shards}")
    return shards


def shard_of(room: RoomId, shards: int) -> int:
    """The shard whose queue carries a room."""
    return bucket(room) % check_shards(shards)


def shard_buckets(shard: int, shards: int) -> range:
    """The buckets bound to a shard's queue."""
    return range(shard, BUCKETS, check_shards(shards))


def command_key(room: RoomId, verb: str) -> str:
    """Where a command goes on `chat.commands`."""
    return f"room.{bucket_word(bucket(room))}.{room}.{verb}"


def census_key(shard: int, shards: int) -> str:
    """Where a word to the active worker of a shard goes, whatever its rooms: through a bucket that is the shard's, and
    with too few words to name a room."""
    return f"room.{bucket_word(shard_buckets(shard, shards)[0])}.{CENSUS}"


def is_census_key(key: str) -> bool:
    """Whether a routing key was made by `census_key`."""
    return key.endswith(f".{CENSUS}") and key.count(".") == CENSUS_DOTS


def inbox_key(room: RoomId, verb: str) -> str:
    """Where an outside producer sends a command on `chat.inbox`: no bucket to compute."""
    return f"room.{room}.{verb}"


def log_key(room: RoomId, name: str) -> str:
    """Where an event or a state record goes on `chat.log`."""
    return f"room.{bucket_word(bucket(room))}.{room}.{name}"


def query_key(room: RoomId) -> str:
    """Where a barrier query goes on `chat.log`: behind everything logged of the room before."""
    return f"query.{bucket_word(bucket(room))}.{room}"


def gate_key(gate: GateId) -> str:
    """Where a gate listens on `chat.fanout`; also what BCC lists."""
    return f"gate.{gate}"


def gate_queue(gate: GateId, incarnation: int = 1) -> str:
    """The queue of a gate. Rebuilt under a fresh name each time: the broker may still hold the old one (stack.md)."""
    return f"gate.{gate}" if incarnation == 1 else f"gate.{gate}.{incarnation}"


def control_queue(worker: str, incarnation: int = 1) -> str:
    """The private queue of one process on `chat.control`."""
    return f"control.{worker}.{incarnation}"


def is_own_queue(name: str) -> bool:
    """Whether a queue name is one of ours. Nobody outside may have an answer put into it (`reply_to`)."""
    return name in _OWN_QUEUES or name.startswith(_OWN_QUEUE_PREFIXES)


def room_queue(shard: int) -> str:
    """The command queue of a shard."""
    return f"room.shard.{shard}"


def history_queue(shard: int) -> str:
    """The log queue of a shard."""
    return f"history.shard.{shard}"


class CommandRoute(NamedTuple):
    """What a routing key says of the command under it."""

    room: RoomId
    verb: str


def read_command_key(key: str) -> CommandRoute | None:
    """The inverse of `command_key`; None when the key is no such key, or its bucket is not the room's."""
    match key.split("."):
        case ["room", word, room, verb] if _ROOM_ID.fullmatch(room) and word == bucket_word(bucket(RoomId(room))):
            return CommandRoute(RoomId(room), verb)
        case _:
            return None


def read_inbox_key(key: str) -> CommandRoute | None:
    """The inverse of `inbox_key`; None when the key is no such key."""
    match key.split("."):
        case ["room", room, verb] if _ROOM_ID.fullmatch(room):
            return CommandRoute(RoomId(room), verb)
        case _:
            return None
