"""One suite of behaviours over all doors: the same commands, the same answers, the same codes (I2, I4)."""

import asyncio
import secrets

import pytest

from tests.bed.native import NativeClient
from tests.bed.rest import LINKS
from tests.bed.waiting import eventually
from tests.conformance.behaviours import (
    ACCEPTED,
    MALFORMED,
    REFUSED,
    REPEATABLE,
    WHOLE,
    Known,
    Step,
)
from tests.conformance.doors import VERBS
from tests.conformance.outcome import Accepted, Refused
from tests.conformance.scene import Scene

pytestmark = [
    pytest.mark.broker,
    pytest.mark.store,
    pytest.mark.stack,
    pytest.mark.asyncio(loop_scope="module"),
]


async def accepted_alike(door, doors, verb):
    """A verb is accepted through one door, and repeated through every other."""
    behaviour = ACCEPTED[verb]
    scene = await Scene.of(behaviour, doors[0])
    command_id = secrets.token_hex(8)
    first = await scene.say(door, behaviour.step, command_id)
    assert isinstance(first, Accepted), (door.name, first)
    for other in doors if verb in REPEATABLE else ():
        again = await scene.say(other, behaviour.step, command_id, retry=True)
        assert isinstance(again, Accepted), (door.name, other.name, again)
        assert again.agrees_with(first), (door.name, other.name, first, again)


@pytest.mark.parametrize("verb", VERBS)
async def test_i2_every_verb_is_accepted_through_every_door_and_a_repeat_through_another_has_the_first_answer(
    doors, verb
):
    await asyncio.gather(*(accepted_alike(door, doors, verb) for door in doors))


async def outcomes_of(scene, doors, step):
    """What each door says to a command that none may apply."""
    told = await asyncio.gather(*(scene.say(door, step, secrets.token_hex(8)) for door in doors))
    return {door.name: outcome for door, outcome in zip(doors, told, strict=True)}


@pytest.mark.parametrize("behaviour", REFUSED, ids=[behaviour.name for behaviour in REFUSED])
async def test_what_a_room_refuses_is_refused_with_the_same_code_through_every_door(doors, behaviour):
    scene = await Scene.of(behaviour, doors[0])
    outcomes = await outcomes_of(scene, doors, behaviour.step)
    assert outcomes == dict.fromkeys(outcomes, Refused(behaviour.code))


BY_LINK = [one for one in REFUSED if one.step.verb in LINKS and one.step.fields.keys() <= LINKS[one.step.verb].fields]


@pytest.mark.parametrize("behaviour", BY_LINK, ids=[behaviour.name for behaviour in BY_LINK])
async def test_a_share_link_is_refused_with_the_code_of_its_verb(doors, links, behaviour):
    if behaviour.step.verb == "join" and not behaviour.step.fields:  # only an invite opens a link
        step = behaviour.step._replace(fields={"invite": "no-such-invite"})
        behaviour = behaviour._replace(step=step)
    scene = await Scene.of(behaviour, doors[0])
    native, linked = (await outcomes_of(scene, (doors[0], links), behaviour.step)).values()
    assert isinstance(native, Refused)
    assert linked == native


async def test_a_share_link_is_an_invite_and_opens_as_one(doors, links):
    scene = await Scene.of(ACCEPTED["invite"], doors[0])
    command_id = secrets.token_hex(8)
    shared = await scene.say(links, ACCEPTED["invite"].step, command_id)
    again = await scene.say(doors[0], ACCEPTED["invite"].step, command_id, retry=True)
    assert isinstance(shared, Accepted)
    assert shared.invite == again.invite
    joining = Step("sam", "join", {"invite": shared.invite})
    assert isinstance(await scene.say(links, joining, command_id), Accepted)


async def test_a_field_that_is_wrong_is_refused_with_the_same_code_at_every_door(doors, subtests):
    scene = await Scene.of(ACCEPTED["revoke_invite"], doors[0])
    for step, code in MALFORMED:
        with subtests.test(f"{step.verb} {code} {str(step.fields)[:80]}"):
            outcomes = await outcomes_of(scene, doors, step)
            assert outcomes == dict.fromkeys(outcomes, Refused(code))


async def heard_of(door, verb, made_by):
    """The events that one command makes, as a member hears them, without what is of this room and moment alone."""
    scene = await Scene.of(WHOLE[verb], made_by)
    stack = made_by._stack
    watcher = await NativeClient.open(stack.http, stack.token(scene.person("rita")))
    await watcher.ask("attach", room=scene.room)
    outcome = await scene.say(door, WHOLE[verb].step, secrets.token_hex(8))
    assert isinstance(outcome, Accepted), (door.name, outcome)
    events = watcher.events[scene.room]
    await eventually(lambda: events, 30, "the watcher hears of it")
    await watcher.close()
    return [scene.everywhere(event) for event in events]


@pytest.mark.parametrize("verb", sorted(REPEATABLE - {"create"}))
async def test_what_a_command_says_is_heard_alike_whichever_door_it_came_through(doors, verb):
    native, *others = await asyncio.gather(*(heard_of(door, verb, doors[0]) for door in doors))
    assert others == [native] * len(others)


async def test_a_room_is_made_alike_whichever_door_it_was_wished_through(doors):
    fields = {"title": "A room", "visibility": "private", "capacity": 9, "topic": "t", "metadata": {"a": [1, None]}}
    step = Step("olga", "create", {**fields, "members": [Known("mary")], "retention_days": 3})
    for door in doors:
        scene = Scene(doors[0])
        room = (await scene.say(door, step, secrets.token_hex(8))).room
        stack = doors[0]._stack
        watcher = await NativeClient.open(stack.http, stack.token(scene.person("mary")))
        told = await watcher.ask("attach", room=room)
        await watcher.close()
        assert told["metadata"].items() >= fields["metadata"].items()  # REST keeps more there
        assert all(told[name] == value for name, value in fields.items() if name != "metadata")
        assert told["member_count"] == len(("olga", "mary"))


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
