"""What a client's frame becomes."""

import pytest
from pydantic import ValidationError

from schemas.commands import COMMANDS, GATE_VERBS, OPERATOR_VERBS
from schemas.events import EVENTS
from schemas.frames import COMMAND_VERBS, OWN_FRAMES, SERVER_FRAMES, command_from_frame
from schemas.ids import ClientId, CommandId, RoomId, UserId
from schemas.signals import SIGNALS
from tests.unit.schemas.golden import MODELS, name_of, read

CLIENT = ClientId("gate-7f3a/k3v9")


def made(fields):
    return command_from_frame(
        fields, actor=UserId("alice"), client=CLIENT, command_id=CommandId("fresh"), room=RoomId("room-fresh")
    )


def frame_of(command):
    return {name: value for name, value in command.items() if name not in ("actor", "client")} | {"id": 7}


@pytest.mark.parametrize("verb", sorted(COMMAND_VERBS))
def test_a_frame_becomes_the_command_of_its_verb(verb):
    golden = read(name_of(COMMANDS[verb]))[0]
    command = made(frame_of(golden))
    assert type(command) is COMMANDS[verb]
    assert command.to_dict() == golden | {"actor": "alice", "client": CLIENT}


@pytest.mark.parametrize("verb", sorted(COMMAND_VERBS))
@pytest.mark.parametrize("field", ["actor", "client", "surprise"])
def test_a_frame_cannot_speak_for_others_nor_bring_unknown_fields(verb, field):
    golden = read(name_of(COMMANDS[verb]))[0]
    with pytest.raises(ValidationError, match=field):
        made(frame_of(golden) | {field: golden.get(field, 1)})


@pytest.mark.parametrize("verb", sorted(GATE_VERBS | OPERATOR_VERBS))
def test_a_frame_never_becomes_a_command_of_a_gate_or_an_operator(verb):
    with pytest.raises(ValidationError):
        made(frame_of(read(name_of(COMMANDS[verb]))[0]))


@pytest.mark.parametrize("fields", [{}, {"type": None}, {"type": 7}, {"type": ["send"]}, {"type": "dance"}])
def test_a_frame_of_no_known_type_is_refused(fields):
    with pytest.raises(ValidationError):
        made(fields | {"room": "general"})


def test_the_gate_makes_up_a_missing_command_id_and_the_room_of_a_create():
    command = made({"type": "create", "title": "Lunch"})
    assert (command.command_id, command.room) == ("fresh", "room-fresh")


def test_only_create_may_leave_its_room_out():
    with pytest.raises(ValidationError, match="room"):
        made({"type": "send", "text": "hello"})


def test_a_frame_keeps_the_command_id_and_the_room_it_names():
    command = made({"type": "create", "title": "Lunch", "command_id": "mine", "room": "lunch"})
    assert (command.command_id, command.room) == ("mine", "lunch")


def test_the_callers_frame_is_left_as_it_was():
    fields = {"type": "send", "room": "general", "text": "x", "actor": "bob"}
    with pytest.raises(ValidationError):
        made(fields)
    assert fields == {"type": "send", "room": "general", "text": "x", "actor": "bob"}


def test_no_frame_type_is_both_a_command_and_something_else():
    assert not COMMAND_VERBS & OWN_FRAMES.keys()
    assert OWN_FRAMES.keys() >= GATE_VERBS
    assert not SERVER_FRAMES.keys() & {"event", "signal"}


def test_the_registries_hold_every_model_of_their_kind():
    listed = {*COMMANDS.values(), *EVENTS.values(), *SIGNALS.values(), *OWN_FRAMES.values(), *SERVER_FRAMES.values()}
    tagged = [
        model for model in MODELS.values() if model.__module__.rpartition(".")[2] in ("commands", "signals", "frames")
    ]
    assert {model for model in tagged if "type" in model.model_fields} <= listed
