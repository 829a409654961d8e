"""One suite of behaviours over all doors: the same commands, the same answers, the same codes (I2, I4)."""

import asyncio
import secrets

import pytest

from schemas.errors import Code
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually
from tests.conformance.behaviours import ACCEPTED, REFUSED, REPEATABLE, Behaviour, Step
from tests.conformance.doors import LEFT_OUT, MISSING, VERBS
from tests.conformance.outcome import Accepted, Refused
from tests.conformance.scene import Scene

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.asyncio(loop_scope="module"),
]


def able(doors, behaviour):
    """The doors that can say it; those that cannot are held against `MISSING` and `LEFT_OUT`."""
    fields = {"room": "", **behaviour.step.fields}
    can = [door for door in doors if door.says(behaviour.step.verb, fields)]
    if len(can) < len(doors):
        verb = behaviour.step.verb
        assert verb in MISSING or any((verb, name) in LEFT_OUT for name in fields)
    return can


@pytest.mark.parametrize("verb", VERBS)
async def test_i2_every_verb_is_accepted_through_every_door_and_a_repeat_through_another_has_the_first_answer(
    doors, verb
):
    behaviour = ACCEPTED[verb]
    can = able(doors, behaviour)
    for door in can:
        scene = await Scene.of(behaviour, doors[0])
        command_id = secrets.token_hex(8)
        first = await scene.say(door, behaviour.step, command_id)
        assert isinstance(first, Accepted), (door.name, first)
        for other in can if verb in REPEATABLE else ():
            again = await scene.say(other, behaviour.step, command_id, retry=True)
            assert isinstance(again, Accepted), (door.name, other.name, again)
            assert again.agrees_with(first), (door.name, other.name, first, again)


@pytest.mark.parametrize("behaviour", REFUSED, ids=[behaviour.name for behaviour in REFUSED])
async def test_what_a_room_refuses_is_refused_with_the_same_code_through_every_door(doors, behaviour):
    scene = await Scene.of(behaviour, doors[0])
    outcomes = {
        door.name: await scene.say(door, behaviour.step, secrets.token_hex(8)) for door in able(doors, behaviour)
    }
    assert outcomes == dict.fromkeys(outcomes, Refused(behaviour.code))


SHAPELESS = {
    Code.BAD_FIELD: Step("mary", "send", {"text": " "}),
    Code.TOO_LARGE: Step("mary", "send", {"text": "x" * 17_000}),
}


@pytest.mark.parametrize("code", SHAPELESS)
async def test_a_field_that_is_wrong_is_refused_at_every_door(doors, code):
    behaviour = Behaviour(SHAPELESS[code], code)
    scene = await Scene.of(behaviour, doors[0])
    outcomes = {door.name: await scene.say(door, behaviour.step, secrets.token_hex(8)) for door in doors}
    assert outcomes == dict.fromkeys(outcomes, Refused(code))


async def test_i4_what_is_said_through_all_doors_has_one_order(doors):
    scene = await Scene.of(ACCEPTED["send"], doors[0])
    stack = doors[0]._stack
    watcher = await NativeClient.open(stack.http, stack.token(scene.person("rita")))
    attached = await watcher.ask("attach", room=scene.room)
    told = await asyncio.gather(
        *(
            scene.say(door, Step(actor, "send", {"text": f"{door.name} {number}"}), secrets.token_hex(8))
            for number in range(10)
            for door, actor in zip(doors, ("olga", "adam", "mary"), strict=True)
        )
    )
    assert all(isinstance(one, Accepted) for one in told)
    first = attached["seq"] + 1
    assert sorted(one.seq for one in told) == list(range(first, first + len(told)))
    await eventually(lambda: len(watcher.events[scene.room]) == len(told), 30, "the watcher has all of it")
    assert watcher.seqs(scene.room) == list(range(first, first + len(told)))
    assert {event["seq"]: event["message_id"] for event in watcher.events[scene.room]} == {
        one.seq: one.message_id for one in told
    }
    await watcher.close()
