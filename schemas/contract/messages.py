"""The messages of the AsyncAPI document: every body that travels through the broker, with its headers and examples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from schemas.answers import Accepted, AttachAnswer, Refused
from schemas.commands import COMMANDS, Send
from schemas.contract.catalogue import reachable
from schemas.contract.derived import fanout_headers, inbox_commands, log_bodies, parked_headers
from schemas.contract.json_schema import JsonObject, definitions
from schemas.control import Control
from schemas.errors import Code
from schemas.events import EVENTS, RECORDS, MessagePosted
from schemas.fanout import RoomTops
from schemas.ids import ClientId, CommandId, Epoch, MessageId, RoomId, UserId
from schemas.model import Model
from schemas.operations import Inspection
from schemas.queries import Barrier, Query, QueryAnswer
from schemas.signals import SIGNALS

SCHEMA_REFS: Final = "#/components/schemas/{model}"
JSON: Final = "application/json"

_AT: Final = datetime(2026, 11, 20, 10, 30, 0, 250_000, tzinfo=UTC)
_SEND: Final = Send(room=RoomId("general"), actor=UserId("robot"), command_id=CommandId("c-1"), text="Good morning")
_POSTED: Final = MessagePosted(
    room=RoomId("general"),
    epoch=Epoch("hoayap4m8g"),
    seq=8,
    at=_AT,
    actor=UserId("robot"),
    command_id=CommandId("c-1"),
    message_id=MessageId("msg_1795170600250000370"),
    text="Good morning",
)
_ACCEPTED: Final = Accepted(
    command_id=_SEND.command_id,
    room=_SEND.room,
    epoch=_POSTED.epoch,
    seq=_POSTED.seq,
    message_id=_POSTED.message_id,
    at=_AT,
)
_REFUSED: Final = Refused.of(Code.NOT_A_MEMBER, command_id=_SEND.command_id)

_EXAMPLES: Final[dict[str, list[JsonObject]]] = {
    "Send": [_SEND.to_dict() | {"client": ClientId("gate-1/k3v9")}, _SEND.to_dict()],
    "InboxSend": [{name: value for name, value in _SEND.to_dict().items() if name != "actor"}],
    "LoggedMessagePosted": [_POSTED.to_dict() | {"fence": 3}],
    "Accepted": [_ACCEPTED.to_dict()],
    "Refused": [_REFUSED.to_dict()],
}

FACTS: Final = (*EVENTS.values(), *RECORDS.values())
_IN: Final[tuple[type[Model], ...]] = (*COMMANDS.values(), *Query.__args__, *Barrier.__args__)
_OUT: Final[tuple[type[Model], ...]] = (
    *FACTS,
    *SIGNALS.values(),
    Accepted,
    Refused,
    AttachAnswer,
    RoomTops,
    Inspection,
    *(answer for answer in QueryAnswer.__args__ if answer is not Refused),
    *Control.__args__,
)
_WRAPPED: Final = frozenset((*FACTS, *SIGNALS.values(), AttachAnswer, RoomTops))
"""Models that travel inside a log body or a fan-out delivery only."""

_CORRELATION: Final = {
    "location": "$message.header#/correlation_id",
    "description": "The AMQP property correlation_id: the answer's is the question's.",
}
_UNANSWERED: Final = frozenset(model.__name__ for model in Control.__args__)

PUSHES: Final = ("EventPush", "SignalPush", "AttachedPush", "TopsPush", "ProbePush")


def component_schemas() -> dict[str, JsonObject]:
    """Every schema the messages refer to."""
    models = definitions(
        [*((model, "validation") for model in _IN), *((model, "serialization") for model in _OUT)], SCHEMA_REFS
    )
    derived = inbox_commands(models) | log_bodies((fact.__name__ for fact in FACTS), SCHEMA_REFS)
    headers = {"FanoutHeaders": fanout_headers(), "ParkedHeaders": parked_headers()}
    schemas = models | derived | headers
    return {name: schemas[name] for name in sorted(reachable(schemas, schemas))}


def component_messages(schemas: dict[str, JsonObject]) -> dict[str, JsonObject]:
    """Every message by name: named as its schema is, but for the fan-out, whose kinds are told apart by a header."""
    bodies = [model.__name__ for model in (*_IN, *_OUT) if model not in _WRAPPED]
    bodies += [name for name in schemas if name.startswith(("Inbox", "Logged"))]
    return (
        {name: _message(name, schemas[name]) for name in bodies}
        | _pushes()
        | {"Parked": _parked(), "Census": _census()}
    )


def _message(name: str, schema: JsonObject) -> JsonObject:
    message: JsonObject = {"name": name, "title": name, "contentType": JSON}
    if "description" in schema:
        message["summary"] = schema["description"]
    if name not in _UNANSWERED and not name.startswith("Logged"):
        message["correlationId"] = _CORRELATION
    if name in _EXAMPLES:
        message["examples"] = [{"payload": example} for example in _EXAMPLES[name]]
    return message | {"payload": {"$ref": SCHEMA_REFS.format(model=name)}}


def _pushes() -> dict[str, JsonObject]:
    events = [model.__name__ for model in EVENTS.values()]
    signals = [model.__name__ for model in SIGNALS.values()]
    return {
        "EventPush": _push("event", "An event, as every client receives it.", _one_of(events)),
        "SignalPush": _push("signal", "A signal, as every client receives it.", _one_of(signals)),
        "AttachedPush": _push("attached", "Answers the gate's own `attach`.", _one_of(["AttachAnswer"])),
        "TopsPush": _push("tops", "Says how far quiet rooms are.", _one_of(["RoomTops"])),
        "ProbePush": _push("probe", "The gate to itself: does my queue still work?", {}),
    }


def _push(kind: str, summary: str, payload: JsonObject) -> JsonObject:
    only: JsonObject = {"type": "object", "properties": {"kind": {"const": kind}}}
    return {
        "name": f"{kind.capitalize()}Push",
        "title": f"{kind.capitalize()}Push",
        "summary": summary,
        "contentType": JSON,
        "headers": {"type": "object", "allOf": [{"$ref": SCHEMA_REFS.format(model="FanoutHeaders")}, only]},
        "payload": payload,
    }


def _parked() -> JsonObject:
    return {
        "name": "Parked",
        "title": "Parked",
        "summary": "A delivery as it came. Without these headers the broker itself set it aside: see `x-death`.",
        "headers": {"$ref": SCHEMA_REFS.format(model="ParkedHeaders")},
        "payload": {},
    }


def _census() -> JsonObject:
    return {
        "name": "Census",
        "title": "Census",
        "summary": "Nothing but its arrival counts.",
        "contentType": JSON,
        "payload": {"type": "object", "maxProperties": 0},
    }


def _one_of(names: list[str]) -> JsonObject:
    return {"oneOf": [{"$ref": SCHEMA_REFS.format(model=name)} for name in names]}
