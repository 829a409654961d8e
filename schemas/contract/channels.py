"""The channels of the AsyncAPI document: each exchange one publishes to and each queue one reads, from the topology."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas import routes, topology
from schemas.commands import COMMANDS, GATE_VERBS, OPERATOR_VERBS
from schemas.contract.derived import CLIENT_COMMANDS
from schemas.contract.json_schema import JsonObject
from schemas.contract.messages import FACTS, PUSHES
from schemas.control import Control
from schemas.events import EVENTS, RECORDS
from schemas.ids import GATE_ID_PATTERN, ROOM_ID_PATTERN
from schemas.queries import Barrier, Query, QueryAnswer

VERSION: Final = "0.3.0"
"""Of the AMQP bindings."""

COMMAND_BODIES: Final = tuple(model.__name__ for model in COMMANDS.values())
INBOX_BODIES: Final = tuple(f"Inbox{model.__name__}" for model in CLIENT_COMMANDS)
LOG_BODIES: Final = tuple(f"Logged{model.__name__}" for model in FACTS)
BARRIER_BODIES: Final = tuple(model.__name__ for model in Barrier.__args__)
QUERY_BODIES: Final = tuple(model.__name__ for model in Query.__args__)
QUERY_ANSWERS: Final = tuple(model.__name__ for model in QueryAnswer.__args__)
CONTROL_BODIES: Final = tuple(model.__name__ for model in Control.__args__)

_BUCKET: Final[JsonObject] = {
    "description": "crc32(room id as UTF-8) % 64 as two digits. The publisher computes it; the rule never changes.",
    "enum": [routes.bucket_word(number) for number in range(routes.BUCKETS)],
}
_ROOM: Final[JsonObject] = {
    "description": f"The room's id, {ROOM_ID_PATTERN}: no dots, they part routing keys. The same as in the body.",
    "location": "$message.payload#/room",
}
_VERB: Final[JsonObject] = {
    "description": "The `type` of the body.",
    "enum": sorted(COMMANDS),
    "location": "$message.payload#/type",
}
_CLIENT_VERB: Final[JsonObject] = _VERB | {"enum": sorted(COMMANDS.keys() - GATE_VERBS - OPERATOR_VERBS)}
_FACT: Final[JsonObject] = {
    "description": "The `event` of the body, or the `record`.",
    "enum": sorted(EVENTS.keys() | RECORDS.keys()),
}
_GATE: Final[JsonObject] = {"description": f"A running gateway, {GATE_ID_PATTERN}; new at every start."}
_SHARD: Final[JsonObject] = {
    "description": "bucket % shards; 0 to shards - 1 (8 shards by default, a divisor of 64).",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """A place of the broker: `exchange` to publish to under `address`, or else the queue called `address`."""

    name: str
    address: str | None
    description: str
    messages: tuple[str, ...]
    parameters: dict[str, JsonObject]
    bindings: JsonObject

    def written(self) -> JsonObject:
        """The channel object."""
        channel: JsonObject = {"address": self.address, "description": self.description}
        if self.parameters:
            channel["parameters"] = self.parameters
        channel["messages"] = {name: {"$ref": f"#/components/messages/{name}"} for name in self.messages}
        if self.bindings:
            channel["bindings"] = {"amqp": self.bindings}
        return channel


def _exchange(name: str) -> JsonObject:
    kind = next(exchange.kind for exchange in topology.EXCHANGES if exchange.name == name)
    described = {"name": name, "type": kind, "durable": True, "autoDelete": False}
    return {"is": "routingKey", "exchange": described, "bindingVersion": VERSION}


def _queue(name: str, *, durable: bool = True, exclusive: bool = False) -> JsonObject:
    described = {"name": name, "durable": durable, "exclusive": exclusive, "autoDelete": False}
    return {"is": "queue", "queue": described, "bindingVersion": VERSION}


def _declared(address: str, declared: str, bound: str) -> JsonObject:
    """A queue of the shared topology, with the arguments it is declared with (under the name `declared`)."""
    arguments = next(queue.arguments for queue in topology.queues(routes.DEFAULT_SHARDS) if queue.name == declared)
    return _queue(address) | {"x-arguments": arguments, "x-bound-to": bound}


CHANNELS: Final = (
    Channel(
        "commands",
        "room.{bucket}.{room}.{verb}",
        "Commands that are attributed to an actor. Permission to write here is permission to speak for anybody.",
        COMMAND_BODIES,
        {"bucket": _BUCKET, "room": _ROOM, "verb": _VERB},
        _exchange(routes.COMMANDS),
    ),
    Channel(
        "census",
        f"room.{{bucket}}.{routes.CENSUS}",
        "A word to whoever is active on the shard of a bucket, about no room: it learns by it that it is.",
        ("Census",),
        {"bucket": _BUCKET},
        _exchange(routes.COMMANDS),
    ),
    Channel(
        "roomShard",
        "room.shard.{shard}",
        "The commands of one shard; the broker keeps one consumer of it active, which makes it the rooms' only writer.",
        (*COMMAND_BODIES, "Census"),
        {"shard": _SHARD},
        _declared("room.shard.{shard}", routes.room_queue(0), "chat.commands room.BB.# for each of its buckets"),
    ),
    Channel(
        "inbox",
        "room.{room}.{verb}",
        "Commands from outside. The AMQP property `user_id`, which the broker verifies against the login of the "
        "connection, is the actor; a delivery without one is refused.",
        INBOX_BODIES,
        {"room": _ROOM, "verb": _CLIENT_VERB},
        _exchange(routes.INBOX),
    ),
    Channel(
        "inboxQueue",
        routes.INBOX_QUEUE,
        "What the gateways' AMQP door checks and forwards to chat.commands.",
        INBOX_BODIES,
        {},
        _declared(routes.INBOX_QUEUE, routes.INBOX_QUEUE, "chat.inbox room.#"),
    ),
    Channel(
        "log",
        "room.{bucket}.{room}.{fact}",
        "Every fact, in the order of its room, once it is accepted. Anybody with permission to read may bind a queue.",
        LOG_BODIES,
        {"bucket": _BUCKET, "room": _ROOM, "fact": _FACT},
        _exchange(routes.LOG),
    ),
    Channel(
        "barrier",
        "query.{bucket}.{room}",
        "Questions that must see everything logged before them: they stand behind it in the same queue.",
        BARRIER_BODIES,
        {"bucket": _BUCKET, "room": _ROOM},
        _exchange(routes.LOG),
    ),
    Channel(
        "historyShard",
        "history.shard.{shard}",
        "The log and the barrier queries of one shard, for the history workers alone.",
        (*LOG_BODIES, *BARRIER_BODIES),
        {"shard": _SHARD},
        _declared("history.shard.{shard}", routes.history_queue(0), "chat.log room.BB.# and query.BB.# of its buckets"),
    ),
    Channel(
        "outsideQueue",
        "{queue}",
        "A queue of an outside consumer, bound by itself to chat.log under `room.#` (or `room.*.<room>.#` for one "
        "room). Bound it: a durable one with `x-max-length` or `x-expires`, or an exclusive one.",
        LOG_BODIES,
        {"queue": {"description": "A name of its own."}},
        _queue("{queue}") | {"x-bound-to": "chat.log room.#"},
    ),
    Channel(
        "fanout",
        "gate.{gate}",
        "One delivery for each gate that holds a session of the room: one publish whose BCC header lists the gates.",
        PUSHES,
        {"gate": _GATE},
        _exchange(routes.FANOUT),
    ),
    Channel(
        "gateQueue",
        "gate.{gate}",
        "What one gate receives: exclusive, bounded, the oldest dropped first. A gate sees a hole by the next seq.",
        PUSHES,
        {"gate": _GATE},
        _queue("gate.{gate}", durable=False, exclusive=True)
        | {"x-bound-to": "chat.fanout gate.<gate>, and nothing else"},
    ),
    Channel(
        "control",
        "",
        "Workers among themselves: small, rare, best effort. The routing key is empty.",
        CONTROL_BODIES,
        {},
        _exchange(routes.CONTROL),
    ),
    Channel(
        "queries",
        routes.HISTORY_KEY,
        "Reads, answered from storage.",
        QUERY_BODIES,
        {},
        _exchange(routes.QUERIES),
    ),
    Channel(
        "queriesQueue",
        routes.QUERIES_QUEUE,
        "Reads, shared among the history workers.",
        QUERY_BODIES,
        {},
        _declared(routes.QUERIES_QUEUE, routes.QUERIES_QUEUE, "chat.queries history"),
    ),
    Channel(
        "commandReplies",
        None,
        "The reply_to of the command: direct reply-to (`amq.rabbitmq.reply-to`) or a queue of the asker. The answer "
        "has the correlation_id of the command. Without reply_to there is no answer.",
        ("Accepted", "Refused", "Inspection"),
        {},
        {},
    ),
    Channel(
        "queryReplies",
        None,
        "The reply_to of the query; the answer has its correlation_id.",
        QUERY_ANSWERS,
        {},
        {},
    ),
    Channel(
        "parked",
        "{key}",
        "Deliveries that could not be settled, with the reason in headers.",
        ("Parked",),
        {"key": {"description": "The routing key the delivery came with."}},
        _exchange(routes.PARKED),
    ),
    Channel(
        "parkedQueue",
        routes.PARKED_QUEUE,
        "Deliveries that could not be settled; an operator replays or drops them.",
        ("Parked",),
        {},
        _declared(routes.PARKED_QUEUE, routes.PARKED_QUEUE, "chat.parked #"),
    ),
)
