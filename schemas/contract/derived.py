"""Schemas of what has no model of its own because it is a model with a little more or less: client frames of commands,
inbox bodies, log bodies, and the AMQP header tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import TypeAdapter

from schemas.commands import COMMANDS
from schemas.contract.json_schema import FILE_REFS, JsonObject, WireSchema, optional, without
from schemas.errors import ParkReason
from schemas.fanout import FanoutHeaders
from schemas.frames import COMMAND_VERBS, NOT_FOR_CLIENTS

CLIENT_COMMANDS: Final = tuple(model for verb, model in COMMANDS.items() if verb in COMMAND_VERBS)
"""The commands that people and programs may give, over any door."""

FENCE: Final[JsonObject] = {
    "type": "integer",
    "minimum": 0,
    "description": "The term of the writer. An entry with a lower one than its room had before is no fact: drop it.",
}


def command_frames(schemas: dict[str, JsonObject], number: JsonObject) -> dict[str, JsonObject]:
    """The frame of each verb: its command without what only the gate knows, with an `id`; the gate makes up a missing
    command id, and the room of a `create`."""
    return {f"{model.__name__}Frame": _command_frame(schemas[model.__name__], number) for model in CLIENT_COMMANDS}


def _command_frame(schema: JsonObject, number: JsonObject) -> JsonObject:
    name = schema["title"]
    frame = without(schema, *NOT_FOR_CLIENTS, title=f"{name}Frame", added={"id": number})
    return optional(frame, "command_id", *(["room"] if name == "Create" else []))


def inbox_commands(schemas: dict[str, JsonObject]) -> dict[str, JsonObject]:
    """The body of each verb on `chat.inbox`: its command without the actor, for whom the broker vouches."""
    return {
        f"Inbox{model.__name__}": without(schemas[model.__name__], *NOT_FOR_CLIENTS, title=f"Inbox{model.__name__}")
        for model in CLIENT_COMMANDS
    }


def log_bodies(names: Iterable[str], ref_template: str = FILE_REFS) -> dict[str, JsonObject]:
    """The log's body for events and records: the fact, with its writer's fence at the end."""
    return {f"Logged{name}": _logged(name, ref_template) for name in names}


def _logged(name: str, ref_template: str) -> JsonObject:
    fence: JsonObject = {"type": "object", "properties": {"fence": FENCE}, "required": ["fence"]}
    return {"title": f"Logged{name}", "allOf": [{"$ref": ref_template.format(model=name)}, fence]}


def fanout_headers() -> JsonObject:
    """The AMQP headers of a fan-out delivery as its gate sees them."""
    schema: JsonObject = TypeAdapter(FanoutHeaders).json_schema(mode="serialization", schema_generator=WireSchema)
    properties = schema["properties"] | {"kind": schema.pop("$defs")["FanoutKind"]}
    return schema | {"description": " ".join((FanoutHeaders.__doc__ or "").split()), "properties": properties}


def parked_headers() -> JsonObject:
    """The headers a worker adds to a delivery that it parks; what the broker dead-letters has `x-death` instead."""
    return {
        "title": "ParkedHeaders",
        "description": "Why a delivery was set aside; its routing key and body are as they were.",
        "type": "object",
        "properties": {
            "x-park-reason": TypeAdapter(ParkReason).json_schema(schema_generator=WireSchema),
            "x-park-detail": {"type": "string", "maxLength": 500},
            "x-park-exchange": {"type": "string", "description": "The exchange through which it came."},
        },
        "required": ["x-park-reason", "x-park-detail", "x-park-exchange"],
    }
