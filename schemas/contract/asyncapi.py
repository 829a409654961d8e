"""The AsyncAPI 3.0 document: who sends and receives what through the broker, and how an outside client takes part."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from schemas.contract.channels import (
    BARRIER_BODIES,
    CHANNELS,
    COMMAND_BODIES,
    LOG_BODIES,
    VERSION,
)
from schemas.contract.derived import CLIENT_COMMANDS
from schemas.contract.json_schema import JsonObject
from schemas.contract.messages import component_messages, component_schemas

CONTRACT_VERSION: Final = "1.0.0"
"""Of the contract, not of the software: the major number changes when a client must."""

ABOUT: Final = """\
Gatehouse is a chat backend whose only spine is RabbitMQ. Every operation is told from the side of the party in its \
tag: `gateway`, `room`, `history`, or `outside` for any AMQP client that is none of ours.

An outside client takes part in three ways:

1. **Publish to `chat.inbox`** under `room.<room>.<verb>`, with the AMQP property `user_id` set to the login of the \
connection. The broker verifies it, so the login is the actor. No bucket to compute.
2. **Publish to `chat.commands`** under `room.<bucket>.<room>.<verb>`, naming the actor in the body. The bucket is \
`crc32(room) % 64` as two digits. For trusted services: write permission here is permission to speak for anybody.
3. **Bind a queue of one's own to `chat.log`** under `room.#` and read every accepted event of every room.

Set `reply_to` and `correlation_id` on a command to be answered `accepted` or `refused`. `accepted` means that the \
event is confirmed by a replicated queue. A command is applied at most once per (room, actor, command_id), for as \
long as the room exists: after silence send it again under the same command_id with `retry: true`.

Bodies are JSON. What comes from outside is closed: an unknown field is refused. What Gatehouse makes is open: ignore \
fields you do not know. Topic permissions of the broker decide who may do what.
"""

REPLY_ADDRESS: Final = {
    "location": "$message.header#/reply_to",
    "description": "The AMQP property reply_to; the answer goes to the default exchange under it.",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """What one party does at one channel. No `messages` means all of the channel's; `amqp` is the binding."""

    name: str
    party: str
    action: Literal["send", "receive"]
    channel: str
    summary: str
    messages: tuple[str, ...] = ()
    reply: str | None = None
    amqp: JsonObject = field(default_factory=dict)

    def written(self) -> JsonObject:
        """The operation object."""
        operation: JsonObject = {
            "action": self.action,
            "channel": {"$ref": f"#/channels/{self.channel}"},
            "summary": self.summary,
            "tags": [{"name": self.party}],
            "bindings": {"amqp": self.amqp | {"bindingVersion": VERSION}},
        }
        if self.messages:
            operation["messages"] = _message_refs(self.channel, self.messages)
        if self.reply:
            operation["reply"] = {"address": REPLY_ADDRESS, "channel": {"$ref": f"#/channels/{self.reply}"}}
        return operation


_PERSISTENT: Final[JsonObject] = {"deliveryMode": 2, "mandatory": True}
_TRANSIENT: Final[JsonObject] = {"deliveryMode": 1}
_ACKED: Final[JsonObject] = {"ack": True}
_CLIENT_BODIES: Final = tuple(model.__name__ for model in CLIENT_COMMANDS)

OPERATIONS: Final = (
    Operation(
        "publishToInbox",
        "outside",
        "send",
        "inbox",
        "Way 1: give a command as the user one is logged in as. `user_id` must be that login.",
        reply="commandReplies",
        amqp=_PERSISTENT | {"userId": "the login of the connection"},
    ),
    Operation(
        "publishTrusted",
        "outside",
        "send",
        "commands",
        "Way 2: give a command in anybody's name, with the bucket computed by oneself.",
        _CLIENT_BODIES,
        "commandReplies",
        _PERSISTENT,
    ),
    Operation(
        "readLog",
        "outside",
        "receive",
        "outsideQueue",
        "Way 3: read every accepted fact from a queue of one's own.",
        amqp=_ACKED,
    ),
    Operation(
        "admitCommands",
        "gateway",
        "receive",
        "inboxQueue",
        "Check what comes from outside and forward it to chat.commands in the name of its `user_id`.",
        reply="commandReplies",
        amqp=_ACKED,
    ),
    Operation(
        "publishCommands",
        "gateway",
        "send",
        "commands",
        "Give a client's command to its room.",
        COMMAND_BODIES,
        "commandReplies",
    ),
    Operation(
        "decideCommands",
        "room",
        "receive",
        "roomShard",
        "Decide commands in order. The answer to a sender that is attached through a gate may ride on the fan-out.",
        reply="commandReplies",
        amqp=_ACKED,
    ),
    Operation(
        "logFacts",
        "room",
        "send",
        "log",
        "Write each event once; nothing is answered or fanned out before the broker confirmed it.",
        amqp=_PERSISTENT,
    ),
    Operation(
        "askBarrier",
        "room",
        "send",
        "barrier",
        "Ask for a room, for the fate of a command, or for a message, behind everything logged before.",
        ("SnapshotQuery", "LookupQuery", "TargetQuery"),
        "queryReplies",
        _TRANSIENT,
    ),
    Operation(
        "fanOut",
        "room",
        "send",
        "fanout",
        "Send each event once, to all gates concerned.",
        ("EventPush", "SignalPush", "AttachedPush", "TopsPush"),
        amqp=_TRANSIENT | {"bcc": ["gate.<gate>"]},
    ),
    Operation(
        "archiveFacts",
        "history",
        "receive",
        "historyShard",
        "Store the log and acknowledge it once it is stored.",
        LOG_BODIES,
        amqp=_ACKED,
    ),
    Operation(
        "answerBarriers",
        "history",
        "receive",
        "historyShard",
        "Answer once everything before the question is stored.",
        BARRIER_BODIES,
        "queryReplies",
        _ACKED,
    ),
    Operation(
        "answerQueries",
        "history",
        "receive",
        "queriesQueue",
        "Answer reads for those who may read.",
        reply="queryReplies",
        amqp=_ACKED,
    ),
    Operation(
        "askHistory",
        "gateway",
        "send",
        "queries",
        "Read for a client.",
        reply="queryReplies",
        amqp=_TRANSIENT,
    ),
    Operation(
        "fillHoles",
        "gateway",
        "send",
        "barrier",
        "Ask for the events a gate missed.",
        ("HoleQuery",),
        "queryReplies",
        _TRANSIENT,
    ),
    Operation(
        "pushToClients",
        "gateway",
        "receive",
        "gateQueue",
        "Put each body on the sockets of the room, reading the headers only.",
        amqp={"ack": False},
    ),
    Operation(
        "probeGate",
        "gateway",
        "send",
        "fanout",
        "Send oneself a probe: if it does not come back the queue is rebuilt.",
        ("ProbePush",),
        amqp=_TRANSIENT,
    ),
    Operation(
        "tellAsGate",
        "gateway",
        "send",
        "control",
        "Live, say good-bye, and answer for what one holds.",
        ("GateHeartbeat", "GateGone", "RosterDone"),
        amqp=_TRANSIENT,
    ),
    Operation(
        "tellAsRoomWorker",
        "room",
        "send",
        "control",
        "Live, and ask the gates what they hold of a shard taken over.",
        ("WorkerHeartbeat", "RosterRequest"),
        amqp=_TRANSIENT,
    ),
    Operation(
        "takeCensus",
        "room",
        "send",
        "census",
        "Let the active worker of a shard know that it is, when another joined, left or fell silent.",
        amqp=_TRANSIENT,
    ),
    Operation(
        "callTheRoll",
        "operator",
        "send",
        "control",
        "Make every room worker say at once what it is active on.",
        ("RollCall",),
        amqp=_TRANSIENT,
    ),
    Operation(
        "inspectRoom",
        "operator",
        "send",
        "commands",
        "Ask a room's writer what it knows of the room.",
        ("Inspect",),
        "commandReplies",
        _PERSISTENT,
    ),
    Operation(
        "park",
        "gateway, room or history",
        "send",
        "parked",
        "Set a delivery aside with a reason; it is acknowledged only once the broker confirmed that.",
        amqp=_PERSISTENT,
    ),
    Operation(
        "readParked",
        "operator",
        "receive",
        "parkedQueue",
        "Look at what was set aside; replay it or drop it.",
        amqp=_ACKED,
    ),
)


def asyncapi() -> JsonObject:
    """The whole document."""
    schemas = component_schemas()
    return {
        "asyncapi": "3.0.0",
        "id": "urn:gatehouse:contract",
        "info": {
            "title": "Gatehouse over AMQP",
            "version": CONTRACT_VERSION,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"broker": _server()},
        "channels": {channel.name: channel.written() for channel in CHANNELS},
        "operations": {operation.name: operation.written() for operation in OPERATIONS},
        "components": {
            "securitySchemes": {"login": {"type": "userPassword", "description": "A user of the broker."}},
            "messages": component_messages(schemas),
            "schemas": schemas,
        },
    }


def _server() -> JsonObject:
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ 4 (3.10 or newer for everything but hand-over).",
        "variables": {
            "host": {"default": "localhost", "description": "Where the broker listens."},
            "port": {"default": "5672", "description": "`make up` chooses one and writes it to .run/endpoints.env."},
            "vhost": {"default": "", "description": "The virtual host, percent-encoded; empty for the default one."},
        },
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    }


def _message_refs(channel: str, names: tuple[str, ...]) -> list[JsonObject]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names]
