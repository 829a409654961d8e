"""Commands of WebSocket clients: how answers find them, and what they are told when none comes."""

from __future__ import annotations

import pytest

from schemas.commands import SaidStatus, Send
from schemas.errors import Code
from schemas.ids import direct_room_id
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker


async def test_a_refusal_comes_by_reply_with_the_frames_id(bench):
    room = bench.room.open("r", "ann")
    bob = await bench.client("bob")
    answer = await bob.ask(type="send", id="x", command_id="c", room=room, text="hi")
    assert (answer["type"], answer["code"], answer["id"], answer["command_id"]) == (
        "refused",
        "not_a_member",
        "x",
        "c",
    )
    assert answer["definite"] is True


async def test_a_sender_that_is_not_attached_gets_accepted_by_reply(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    assert (await ann.ask(type="send", id=1, room=room, text="hi"))["seq"] == 1


async def test_a_repeated_command_gets_the_first_answer(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    first = await ann.ask(type="send", id=1, command_id="c", room=room, text="hi")
    again = await ann.ask(type="send", id=2, command_id="c", room=room, text="hi", retry=True)
    assert (again["type"], again["seq"], again["id"]) == ("accepted", first["seq"], 2)


async def test_the_actor_is_the_tokens_user_and_the_client_is_the_connection(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    await ann.ask(type="send", id=1, room=room, text="hi")
    [command] = bench.room.commands
    [connection] = bench.gate.connections.values()
    assert (command.actor, command.client) == ("ann", connection.client)


async def test_a_create_without_a_room_gets_one_and_a_repeat_the_same(bench):
    ann = await bench.client("ann")
    first = await ann.ask(type="create", id=1, command_id="make", title="Mine")
    again = await ann.ask(type="create", id=2, command_id="make", title="Mine")
    other = await ann.ask(type="create", id=3, title="Mine")
    assert first["room"] == again["room"] != other["room"]


async def test_a_direct_room_is_found_by_either_of_its_two_members(bench):
    ann, bob = await bench.client("ann"), await bench.client("bob")
    first = await ann.ask(type="create", id=1, title="Us", visibility="direct", members=["bob"])
    assert (first["type"], first["room"]) == ("accepted", direct_room_id("ann", "bob"))
    await bob.ask(type="create", id=2, title="Us", visibility="direct", members=["ann"])
    assert [command.room for command in bench.room.commands] == [first["room"]] * 2


@pytest.mark.parametrize("attached", [False, True], ids=["by reply", "on the fan-out"])
async def test_who_makes_an_invite_is_told_its_id(bench, attached):
    room = bench.room.open("r", "ann", "bob")
    bob = await bench.attached("bob", room)
    ann = await (bench.attached("ann", room) if attached else bench.client("ann"))
    accepted = await ann.ask(type="invite", id=1, room=room)
    assert (accepted["type"], accepted["invite"], accepted["seq"]) == ("accepted", "an-invite", 1)
    assert (await bob.receive())["event"] == "invite_created"


async def test_a_status_survives_the_rooms_writer(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    said = await ann.ask(type="set_status", id=1, room=room, state="dnd", mood="deep work", text="until noon")
    assert said["type"] == "accepted"
    bench.gate.hub.reattach()
    bench.gate.carry_out()

    def told():
        [session] = bench.room.commands[-1].sessions
        return session.status == SaidStatus(state="dnd", mood="deep work", text="until noon")

    await eventually(lambda: bench.room.commands[-1].type == "attach" and told(), 20)


@pytest.mark.parametrize("verb", ["kick", "ban"])
async def test_whoever_is_put_out_is_detached_with_its_event_and_hears_nothing_more(bench, verb):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    again = await bench.attached("bob", room)
    assert (await ann.ask(type=verb, id=1, room=room, user="bob"))["type"] == "accepted"
    for socket in (bob, again):
        event, detached = await socket.take(2)
        assert event["event"] in ("member_left", "member_banned")
        assert (detached["type"], detached["code"]) == ("detached", "banned" if verb == "ban" else "not_a_member")
    await bench.room.post(room, "ann", "among us")
    await ann.receive()
    for socket in (bob, again):
        await socket.nothing_more()


async def test_without_an_answer_a_command_is_refused_as_indefinite(start_bench):
    bench = await start_bench(command_seconds=0.5)
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    bench.room.mute = True
    answer = await ann.ask(type="send", id=1, command_id="c", room=room, text="hi")
    assert (answer["code"], answer["definite"], answer["retry"]) == ("no_answer", False, True)
    bench.room.mute = False
    assert (await ann.ask(type="send", id=2, command_id="c", room=room, text="hi", retry=True))["seq"] == 1


async def test_the_same_command_twice_in_flight_is_refused(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    bench.room.mute = True
    await ann.send(type="send", id=1, command_id="c", room=room, text="hi")
    answer = await ann.ask(type="send", id=2, command_id="c", room=room, text="hi")
    assert (answer["code"], answer["id"], answer["definite"]) == ("duplicate_in_flight", 2, False)


async def test_a_full_gate_is_overloaded(start_bench):
    bench = await start_bench(in_flight_per_gate=1)
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    bench.room.mute = True
    await ann.send(type="send", id=1, room=room, text="hi")
    answer = await ann.ask(type="send", id=2, room=room, text="hi")
    assert (answer["code"], answer["id"], answer["definite"]) == ("overloaded", 2, True)


async def test_a_command_whose_link_was_lost_is_sent_once_more_as_a_retry(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.client("ann")
    bench.room.mute = True
    await ann.send(type="send", id=1, command_id="c", room=room, text="hi")
    await eventually(lambda: bench.room.commands, 20)
    bench.room.mute = False
    await bench.cut("publish")
    frames = [await ann.receive()]
    while frames[-1]["type"] != "accepted":
        frames.append(await ann.receive())
    assert frames[-1]["id"] == 1
    sends = [command for command in bench.room.commands if isinstance(command, Send)]
    assert [command.retry for command in sends] == [False, True]
    assert {command.command_id for command in sends} == {"c"}


async def test_history_rooms_members_and_search_are_answered(bench):
    room = bench.room.open("r", "ann", events=3)
    ann = await bench.client("ann")
    page = await ann.ask(type="history", id=1, room=room, after=1)
    assert (page["type"], page["id"], page["head"]) == ("page", 1, 3)
    assert [event["seq"] for event in page["events"]] == [2, 3]
    members = await ann.ask(type="members", id=2, room=room)
    assert (members["type"], members["id"], members["members"][0]["user"]) == ("members", 2, "ann")
    for number, directory in ((3, False), (4, True)):
        rooms = await ann.ask(type="rooms", id=number, directory=directory)
        assert (rooms["type"], rooms["id"], rooms["total"]) == ("rooms", number, 1)
    found = await ann.ask(type="search", id=5, query="old 2", room=room, limit=7)
    assert (found["type"], found["id"], [event["seq"] for event in found["events"]]) == ("found", 5, [2])
    assert (bench.room.queries[-1].room, bench.room.queries[-1].limit) == (room, 7)
    assert [query.type for query in bench.room.queries] == ["page", "members", "my_rooms", "rooms", "search"]
    assert {query.actor for query in bench.room.queries} == {"ann"}


async def test_a_page_after_accepted_reads_through_it(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    await ann.ask(type="send", id=1, room=room, text="hi")
    await ann.ask(type="history", id=2, room=room)
    assert bench.room.queries[-1].through_seq == 1


async def test_a_history_that_does_not_answer_is_overloaded(start_bench):
    bench = await start_bench(query_seconds=0.3)
    bench.room.blind = True
    ann = await bench.client("ann")
    answer = await ann.ask(type="history", id=1, room="r")
    assert (answer["code"], answer["id"]) == ("overloaded", 1)


@pytest.mark.parametrize("code", [Code.ROOM_FULL, Code.BANNED, Code.MUTED])
async def test_a_code_that_also_ends_connections_only_refuses_here(bench, code):
    room = bench.room.open("r", "ann")
    bench.room.refuse["send"] = code
    ann = await bench.client("ann")
    assert (await ann.ask(type="send", id=1, room=room, text="hi"))["code"] == code.value
    await ann.nothing_more()
