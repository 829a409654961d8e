"""What the fan-out brings reaches clients in order, each event once, whatever is lost on the way (I3, I4, I6)."""

from __future__ import annotations

import asyncio

import pytest
from pamqp import commands

from schemas import routes
from schemas.commands import Attach, Detach
from schemas.control import CONTROL, GateHeartbeat, RosterDone, RosterRequest
from schemas.fanout import FanoutHeaders, FanoutKind
from schemas.ids import Epoch
from schemas.queries import HoleQuery
from schemas.routes import shard_of
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker


def seqs(frames):
    return [frame["seq"] for frame in frames]


async def test_events_reach_every_attached_client_in_order_and_once(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    for number in range(200):
        await bench.room.post(room, "eve", f"text {number}")
    for socket in (ann, bob):
        assert seqs(await socket.take(200)) == list(range(1, 201))
        await socket.nothing_more()


async def test_the_frame_a_client_gets_is_the_body_the_room_published(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    body = b'{"type":"event","event":"of another application","x":{"y":[1,2]}}'
    await bench.room.publish(FanoutHeaders(FanoutKind.EVENT, room, Epoch("e1"), 1), body)
    assert await ann.receive() == {"type": "event", "event": "of another application", "x": {"y": [1, 2]}}


async def test_attached_says_where_events_begin_and_what_the_room_is(bench):
    room = bench.room.open("r", "ann", events=3)
    ann = await bench.client("ann")
    answer = await ann.ask(type="attach", id="a", room=room)
    assert (answer["id"], answer["epoch"], answer["seq"], answer["title"]) == ("a", "e1", 3, "r")
    await bench.room.post(room, "ann", "x")
    assert (await ann.receive())["seq"] == 4


async def test_a_stranger_is_refused_and_gets_nothing(bench):
    room = bench.room.open("r", "ann")
    await bench.attached("ann", room)
    bob = await bench.client("bob")
    answer = await bob.ask(type="attach", id=1, room=room)
    assert (answer["type"], answer["code"], answer["id"]) == ("refused", "not_a_member", 1)
    await bench.room.post(room, "ann", "secret")
    await bob.nothing_more()


async def test_a_room_that_does_not_exist_is_refused_by_reply(bench):
    ann = await bench.client("ann")
    assert (await ann.ask(type="attach", id=1, room="nowhere"))["code"] == "room_not_found"
    assert bench.gate.hub.session_count == 0


async def test_a_lost_event_is_noticed_at_the_next_and_fetched_from_history(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    await bench.room.post(room, "eve", "1")
    bench.room.lose = True
    await bench.room.post(room, "eve", "2")
    await bench.room.post(room, "eve", "3")
    bench.room.lose = False
    await bench.room.post(room, "eve", "4")
    for socket in (ann, bob):
        frames = await socket.take(4)
        assert seqs(frames) == [1, 2, 3, 4]
        assert [frame["text"] for frame in frames] == ["1", "2", "3", "4"]
        await socket.nothing_more()
    assert [query.after for query in bench.room.queries if isinstance(query, HoleQuery)] == [1]


async def test_an_answer_that_rode_on_a_lost_event_comes_in_its_place_with_what_history_has(bench):
    room = bench.room.open("r", "ann", "bob")
    ann = await bench.attached("ann", room)
    bench.room.lose = True
    await ann.send(type="send", id=7, room=room, text="lost on the way back", command_id="c-7")
    await eventually(lambda: bench.room.events[room], 20)
    bench.room.lose = False
    await bench.room.post(room, "bob", "hello")
    answer, event = await ann.take(2)
    assert (answer["type"], answer["id"], answer["command_id"], answer["seq"]) == ("accepted", 7, "c-7", 1)
    assert (event["type"], event["seq"]) == ("event", 2)


async def test_a_lost_last_event_is_noticed_by_top(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    bench.room.lose = True
    await bench.room.post(room, "eve", "1")
    bench.room.lose = False
    await bench.room.top(room)
    assert (await ann.receive())["seq"] == 1


async def test_a_hole_that_history_cannot_fill_ends_in_reset_and_the_room_goes_on(start_bench):
    bench = await start_bench(hole_seconds=0.2)
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    bench.room.blind = bench.room.lose = True
    await bench.room.post(room, "eve", "1")
    bench.room.lose = False
    await bench.room.post(room, "eve", "2")
    assert await ann.receive() == {"type": "reset", "room": room, "epoch": "e1", "seq": 1}
    assert (await ann.receive())["seq"] == 2


async def test_the_sender_gets_accepted_in_place_of_its_event_and_others_the_event(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    accepted = await ann.ask(type="send", id=9, command_id="mine", room=room, text="hi")
    assert (accepted["type"], accepted["id"], accepted["command_id"]) == ("accepted", 9, "mine")
    assert (accepted["seq"], accepted["epoch"], accepted["message_id"]) == (1, "e1", "msg_1")
    assert accepted["at"].startswith("2026-11-20T")
    assert (await bob.receive())["text"] == "hi"
    await ann.nothing_more()


async def test_with_echo_the_sender_hears_itself_too(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room, echo=True)
    await ann.send(type="send", id=9, room=room, text="hi")
    assert [frame["type"] for frame in await ann.take(2)] == ["accepted", "event"]


async def test_a_resume_from_the_ring_asks_history_nothing(bench):
    room = bench.room.open("r", "ann", "bob")
    ann = await bench.attached("ann", room)
    for number in range(10):
        await bench.room.post(room, "eve", str(number))
    await ann.take(10)
    bob = await bench.client("bob")
    await bob.send(type="attach", id=1, room=room, position={"epoch": "e1", "seq": 4})
    answer, *events = await bob.take(7)
    assert (answer["type"], answer["seq"]) == ("attached", 4)
    assert seqs(events) == [5, 6, 7, 8, 9, 10]
    assert bench.room.queries == []


async def test_a_long_resume_comes_from_history_in_pages_and_then_live(bench):
    room = bench.room.open("r", "ann", events=450)
    ann = await bench.client("ann")
    await ann.send(type="attach", id=1, room=room, position={"epoch": "e1", "seq": 5})
    await eventually(lambda: bench.room.queries, 20)
    await bench.room.post(room, "eve", "live")
    answer, *events = await ann.take(447)
    assert answer["seq"] == 5
    assert seqs(events) == list(range(6, 452))
    assert len([query for query in bench.room.queries if isinstance(query, HoleQuery)]) == 3
    await ann.nothing_more()


@pytest.mark.parametrize("position", [{"epoch": "e0", "seq": 5}, {"epoch": "e1", "seq": 0}], ids=["epoch", "too far"])
async def test_a_position_that_cannot_be_resumed_is_reset(start_bench, position):
    bench = await start_bench(resume_limit=100)
    room = bench.room.open("r", "ann", events=120)
    ann = await bench.client("ann")
    await ann.send(type="attach", id=1, room=room, position=position)
    assert await ann.receive() == {"type": "reset", "room": room, "epoch": "e1", "seq": 120}
    assert (await ann.receive())["seq"] == 120


async def test_signals_reach_clients_as_they_are(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    headers = FanoutHeaders(FanoutKind.SIGNAL, room, Epoch("e1"), 0)
    await bench.room.publish(headers, b'{"type":"signal","signal":"typing"}')
    assert await ann.receive() == {"type": "signal", "signal": "typing"}


async def test_whoever_leaves_gets_accepted_then_detached_and_nothing_more(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    accepted, detached = await _two(bob, type="leave", id=3, room=room)
    assert accepted["type"] == "accepted"
    assert detached == {"type": "detached", "room": room, "code": "not_a_member"}
    await bench.room.post(room, "ann", "among us")
    assert [frame["event"] for frame in await ann.take(2)] == ["member_left", "message_posted"]
    await bob.nothing_more()


async def _two(socket, **frame):
    await socket.send(**frame)
    return await socket.take(2)


async def test_a_detached_client_gets_nothing_more_and_the_room_is_told(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    assert await bob.ask(type="detach", id=3, room=room) == {"type": "detached", "id": 3, "room": room}
    assert (await bob.ask(type="detach", id=4, room=room))["code"] == "not_attached"
    await eventually(lambda: len(bench.room.sessions[room]) == 1, 20)
    await bench.room.post(room, "ann", "x")
    assert (await ann.receive())["seq"] == 1
    await bob.nothing_more()


async def test_a_closed_connection_detaches_from_all_its_rooms(bench):
    for name in ("r1", "r2"):
        bench.room.open(name, "ann")
    ann = await bench.attached("ann", "r1")
    await ann.ask(type="attach", id=2, room="r2")
    await ann.connection.close()
    await eventually(lambda: not bench.room.sessions["r1"] and not bench.room.sessions["r2"], 20)
    assert bench.gate.hub.session_count == 0
    assert len([command for command in bench.room.commands if isinstance(command, Detach)]) == 2


async def test_a_lost_connection_rebuilds_the_queue_under_a_fresh_name_and_fills_what_was_missed(bench):
    room = bench.room.open("r", "ann", "bob")
    ann, bob = await bench.attached("ann", room), await bench.attached("bob", room)
    await bench.room.post(room, "eve", "1")
    assert [(await socket.receive())["seq"] for socket in (ann, bob)] == [1, 1]
    bench.room.lose = True
    await bench.room.post(room, "eve", "2")
    bench.room.lose = False
    asked_before = len([command for command in bench.room.commands if isinstance(command, Attach)])
    await bench.cut("fanout")
    for socket in (ann, bob):
        frames = [await socket.receive()]
        while frames[-1].get("seq") != 2:
            frames.append(await socket.receive())
        signals = [frame["available"] for frame in frames if frame["type"] == "signal"]
        assert signals in ([False], [False, True])
    asked = [command for command in bench.room.commands if isinstance(command, Attach)][asked_before:]
    assert [len(command.sessions) for command in asked] == [2]
    assert bench.service.fanout.queue.endswith(".2")


async def test_a_roster_request_is_answered_with_one_attach_for_each_room_of_the_shard(bench):
    rooms = [bench.room.open(f"r{number}", "ann", "bob") for number in range(6)]
    ann, bob = await bench.client("ann"), await bench.client("bob")
    for room in rooms:
        for socket in (ann, bob):
            assert (await socket.ask(type="attach", id=1, room=room))["type"] == "attached"
    heard = await _control(bench)
    before = len(bench.room.commands)
    await bench.service.control.tell(RosterRequest(worker="w1", shard=1, shards=2))

    def done():
        return [message for message in map(CONTROL.validate_json, heard) if isinstance(message, RosterDone)]

    assert [(one.worker, one.shard) for one in await eventually(done, 20)] == [("w1", 1)]
    wanted = sorted(room for room in rooms if shard_of(room, 2) == 1)
    await eventually(lambda: len(bench.room.commands) == before + len(wanted), 20)
    asked = bench.room.commands[before:]
    assert sorted(command.room for command in asked) == wanted
    assert all(isinstance(command, Attach) and len(command.sessions) == 2 for command in asked)


async def _control(bench):
    channel = bench.room._channel
    heard = []

    async def hear(delivery):
        heard.append(delivery.body)

    declared = await channel.queue_declare("", exclusive=True)
    await channel.queue_bind(declared.queue, routes.CONTROL)
    await channel.basic_consume(declared.queue, hear, no_ack=True)
    return heard


async def test_a_gate_says_that_it_lives(start_bench):
    bench = await start_bench(heartbeat_seconds=0.2)
    heard = await _control(bench)
    await eventually(lambda: len(heard) >= 2, 20)
    beats = [CONTROL.validate_json(body) for body in heard]
    assert {beat.gate for beat in beats if isinstance(beat, GateHeartbeat)} == {bench.gate.gate_id}


async def test_deliveries_that_are_none_harm_nobody(bench):
    room = bench.room.open("r", "ann")
    ann = await bench.attached("ann", room)
    key = routes.gate_key(bench.gate.gate_id)
    for headers in ({}, {"kind": "event"}, {"kind": "attached", "room": "r", "epoch": "e1", "seq": 1}):
        properties = commands.Basic.Properties(headers=headers)
        await bench.room._channel.basic_publish(b"x", exchange=routes.FANOUT, routing_key=key, properties=properties)
    await bench.room.post(room, "eve", "on we go")
    assert (await asyncio.wait_for(ann.receive(), 20))["text"] == "on we go"
