"""What is published as JSON Schema: one file for each group of models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from schemas.answers import Accepted, AttachAnswer, Refused
from schemas.commands import COMMANDS
from schemas.contract.derived import command_frames, fanout_headers, inbox_commands, log_bodies, parked_headers
from schemas.contract.json_schema import DIALECT, FILE_REFS, JsonObject, Mode, definitions
from schemas.control import Control
from schemas.events import EVENTS, RECORDS
from schemas.frames import OWN_FRAMES, SERVER_FRAMES
from schemas.model import Model
from schemas.queries import Barrier, Query, QueryAnswer
from schemas.signals import SIGNALS
from schemas.state import Snapshot


@dataclass(frozen=True, slots=True)
class Group:
    """Models that are published in one file because a reader wants them together."""

    name: str
    description: str
    models: tuple[type[Model], ...]
    mode: Mode

    def definitions(self) -> dict[str, JsonObject]:
        """The schemas of the group's models and of what they hold."""
        return definitions([(model, self.mode) for model in self.models])


COMMAND_GROUP: Final = Group("commands", "Bodies on chat.commands.", tuple(COMMANDS.values()), "validation")
GROUPS: Final = (
    COMMAND_GROUP,
    Group("events", "Numbered facts; also frames.", tuple(EVENTS.values()), "serialization"),
    Group("records", "Facts without a number.", tuple(RECORDS.values()), "serialization"),
    Group("signals", "Best-effort facts; also frames.", tuple(SIGNALS.values()), "serialization"),
    Group("answers", "What a command gets.", (Accepted, Refused, AttachAnswer), "serialization"),
    Group("queries", "Bodies on chat.queries.", Query.__args__, "validation"),
    Group("barrier-queries", "Questions that travel through chat.log.", Barrier.__args__, "validation"),
    Group("query-answers", "What a query gets.", QueryAnswer.__args__, "serialization"),
    Group("control", "Bodies on chat.control.", Control.__args__, "serialization"),
    Group("snapshot", "A room for its new writer.", (Snapshot,), "serialization"),
    Group(
        "server-frames",
        "What a WebSocket client receives.",
        (*SERVER_FRAMES.values(), *EVENTS.values(), *SIGNALS.values()),
        "serialization",
    ),
)


def json_schemas() -> dict[str, JsonObject]:
    """Every JSON Schema document by its file stem."""
    files = {group.name: _group_document(group) for group in GROUPS}
    files["client-frames"] = _client_frames()
    files["inbox-commands"] = _inbox_commands()
    files["log"] = _log()
    files["fanout-headers"] = _head("fanout-headers") | fanout_headers()
    files["parked-headers"] = _head("parked-headers") | parked_headers()
    return files


def _group_document(group: Group) -> JsonObject:
    return _choice(group.name, group.description, [model.__name__ for model in group.models], group.definitions())


def _client_frames() -> JsonObject:
    own = Group("own-frames", "", tuple(OWN_FRAMES.values()), "validation")
    schemas = COMMAND_GROUP.definitions() | own.definitions()
    frames = command_frames(schemas, schemas["Ping"]["properties"]["id"])
    names = [*(model.__name__ for model in own.models), *frames]
    return _choice("client-frames", "What a WebSocket client may send.", names, schemas | frames)


def _inbox_commands() -> JsonObject:
    schemas = COMMAND_GROUP.definitions()
    bodies = inbox_commands(schemas)
    return _choice("inbox-commands", "Bodies on chat.inbox.", bodies, schemas | bodies)


def _log() -> JsonObject:
    facts = Group("facts", "", (*EVENTS.values(), *RECORDS.values()), "serialization")
    bodies = log_bodies(model.__name__ for model in facts.models)
    return _choice("log", "Bodies on chat.log.", bodies, facts.definitions() | bodies)


def _choice(name: str, description: str, models: Iterable[str], schemas: dict[str, JsonObject]) -> JsonObject:
    chosen = [FILE_REFS.format(model=model) for model in models]
    kept = reachable(chosen, schemas)
    return _head(name) | {
        "title": name,
        "description": description,
        "oneOf": [{"$ref": reference} for reference in chosen],
        "$defs": {key: schemas[key] for key in sorted(kept)},
    }


def _head(name: str) -> JsonObject:
    return {"$schema": DIALECT, "$id": f"urn:gatehouse:schema:{name}"}


def reachable(references: Iterable[str], schemas: dict[str, JsonObject]) -> set[str]:
    """The names of the schemas that references lead to, directly or through others."""
    found: set[str] = set()
    waiting = list(references)
    while waiting:
        name = waiting.pop().rpartition("/")[2]
        if name not in found:
            found.add(name)
            waiting += _references(schemas[name])
    return found


def _references(node: object) -> list[str]:
    match node:
        case {"$ref": str(reference)}:
            return [reference]
        case dict():
            return [reference for inner in node.values() for reference in _references(inner)]
        case list():
            return [reference for inner in node for reference in _references(inner)]
        case _:
            return []
