"""The published documents: valid by their own standards, and saying what the models do."""

import json
from copy import deepcopy
from datetime import UTC, datetime

import pytest
from faststream.specification.asyncapi.v3_0_0.schema import ApplicationSchema
from jsonschema import Draft202012Validator, ValidationError

from schemas import routes
from schemas.commands import COMMANDS
from schemas.contract.asyncapi import OPERATIONS, asyncapi
from schemas.contract.catalogue import json_schemas
from schemas.contract.channels import CHANNELS
from schemas.contract.json_schema import definitions
from schemas.events import EVENT, EVENTS, encode_logged
from schemas.frames import COMMAND_VERBS, OWN_FRAMES
from schemas.queries import RoomView
from schemas.topology import EXCHANGES, queues
from tests.unit.schemas.golden import name_of, read

FILES = json_schemas()
DOCUMENT = asyncapi()


def is_valid(file, body):
    return Draft202012Validator(FILES[file]).is_valid(body)


def references(node):
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from [inner] if key == "$ref" else references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from references(inner)


def resolved(document, reference):
    node = document
    for step in reference.removeprefix("#/").split("/"):
        node = node[step]
    return node


@pytest.mark.parametrize("file", sorted(FILES))
def test_a_json_schema_file_is_a_json_schema_whose_references_all_lead_somewhere(file):
    Draft202012Validator.check_schema(FILES[file])
    for reference in references(FILES[file]):
        assert resolved(FILES[file], reference) is not None


@pytest.mark.parametrize("verb", sorted(COMMANDS))
def test_a_golden_command_is_in_the_published_commands(verb):
    golden = read(name_of(COMMANDS[verb]))[0]
    assert is_valid("commands", golden)
    assert not is_valid("commands", golden | {"surprise": 1})
    assert not is_valid("commands", {name: value for name, value in golden.items() if name != "type"})


@pytest.mark.parametrize("verb", sorted(COMMAND_VERBS))
def test_a_client_frame_is_a_command_without_what_only_the_gate_knows(verb):
    golden = read(name_of(COMMANDS[verb]))[0]
    frame = {name: value for name, value in golden.items() if name not in ("actor", "client", "command_id")}
    assert is_valid("client-frames", frame)
    assert is_valid("client-frames", frame | {"id": 7, "command_id": "c-1"})
    assert not is_valid("client-frames", frame | {"actor": "alice"})
    assert not is_valid("client-frames", frame | {"client": "gate/x"})


@pytest.mark.parametrize("model", OWN_FRAMES.values())
def test_a_golden_client_frame_is_in_the_published_ones(model):
    assert all(is_valid("client-frames", golden) for golden in read(name_of(model)))


def test_only_a_create_frame_may_leave_its_room_out():
    assert is_valid("client-frames", {"type": "create", "title": "Lunch"})
    assert not is_valid("client-frames", {"type": "send", "text": "hello"})


@pytest.mark.parametrize("verb", sorted(COMMAND_VERBS))
def test_an_inbox_body_has_no_actor(verb):
    golden = read(name_of(COMMANDS[verb]))[0]
    body = {name: value for name, value in golden.items() if name not in ("actor", "client")}
    assert is_valid("inbox-commands", body)
    assert not is_valid("inbox-commands", body | {"actor": "alice"})


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_a_logged_event_and_its_frame_are_as_published(name):
    for golden in read(name_of(EVENTS[name])):
        frame = EVENT.validate_python(golden).to_json()
        assert is_valid("log", json.loads(encode_logged(frame, 3)))
        assert is_valid("server-frames", json.loads(frame))
        assert not is_valid("log", json.loads(frame))


def test_what_gatehouse_makes_may_grow_and_what_comes_from_outside_may_not():
    posted = read("events.MessagePosted")[0]
    assert is_valid("events", posted | {"of_the_future": 1})
    assert not is_valid("inbox-commands", {"type": "leave", "room": "r", "command_id": "c", "of_the_future": 1})


def test_what_gatehouse_makes_has_no_null_and_always_its_defaults():
    schema = definitions([(RoomView, "serialization")])["RoomView"]
    assert "null" not in json.dumps(schema)
    assert {"closed", "topic"} <= set(schema["required"])
    assert not {"role", "unread", "preview"} & set(schema["required"])


def test_the_asyncapi_document_is_one_for_faststreams_models():
    document = deepcopy(DOCUMENT)
    for operation in document["operations"].values():
        operation["bindings"]["amqp"].setdefault("ack", False)  # the specification wants it of no sender, the models do
    read_back = ApplicationSchema.model_validate(document)
    assert read_back.asyncapi == "3.0.0"
    assert set(read_back.channels) == {channel.name for channel in CHANNELS}
    assert set(read_back.operations) == {operation.name for operation in OPERATIONS}


def test_every_reference_of_the_asyncapi_document_leads_somewhere():
    for reference in references(DOCUMENT):
        assert resolved(DOCUMENT, reference) is not None


def test_every_exchange_and_queue_of_the_topology_has_its_channel():
    bindings = [channel.get("bindings", {}).get("amqp", {}) for channel in DOCUMENT["channels"].values()]
    exchanges = {(each["exchange"]["name"], each["exchange"]["type"]) for each in bindings if "exchange" in each}
    assert exchanges == {(exchange.name, exchange.kind) for exchange in EXCHANGES}
    named = {each["queue"]["name"].replace("{shard}", "0") for each in bindings if "queue" in each}
    shared = {queue.name for queue in queues(routes.DEFAULT_SHARDS) if ".shard." not in queue.name}
    assert named - {"{queue}", "gate.{gate}"} == shared | {routes.room_queue(0), routes.history_queue(0)}


def test_every_verb_event_and_inbox_body_is_a_message_of_its_channel():
    channels = DOCUMENT["channels"]
    assert set(channels["commands"]["messages"]) == {model.__name__ for model in COMMANDS.values()}
    assert set(channels["inbox"]["messages"]) == {f"Inbox{COMMANDS[verb].__name__}" for verb in COMMAND_VERBS}
    assert set(channels["log"]["messages"]) == {f"Logged{model.__name__}" for model in EVENTS.values()} | {
        "LoggedReceipt"
    }


def test_every_message_travels_through_some_channel_and_every_channel_is_used():
    travelling = {name for channel in DOCUMENT["channels"].values() for name in channel["messages"]}
    assert travelling == set(DOCUMENT["components"]["messages"])
    used = {operation.channel for operation in OPERATIONS} | {operation.reply for operation in OPERATIONS}
    assert {channel.name for channel in CHANNELS} <= used


def test_every_example_is_what_its_schema_says():
    examples = 0
    for name, message in DOCUMENT["components"]["messages"].items():
        schema = {"$ref": message["payload"].get("$ref", ""), "components": DOCUMENT["components"]}
        for example in message.get("examples", []):
            Draft202012Validator(schema).validate(example["payload"])
            examples += 1
            with pytest.raises(ValidationError):
                Draft202012Validator(schema).validate({"type": name})
    assert examples >= 5


def test_an_outside_client_takes_part_in_three_ways():
    ways = {operation.name: operation for operation in OPERATIONS if operation.party == "outside"}
    assert {way.channel for way in ways.values()} == {"inbox", "commands", "outsideQueue"}
    assert ways["publishToInbox"].amqp["userId"]
    assert ways["publishToInbox"].reply == ways["publishTrusted"].reply == "commandReplies"


def test_a_published_moment_and_id_are_those_of_the_examples():
    example = DOCUMENT["components"]["messages"]["LoggedMessagePosted"]["examples"][0]["payload"]
    at = datetime.fromisoformat(example["at"]).astimezone(UTC)
    assert example["message_id"].startswith(f"msg_{int(at.timestamp() * 1_000_000)}")
