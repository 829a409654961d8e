"""A room worker on a real broker: what it logs, what it fans out, what it answers, and in which order."""

import asyncio

import pytest

from schemas import routes
from schemas.errors import Code
from schemas.fanout import FanoutKind
from tests.bed.waiting import eventually
from tests.integration.room.around import answered, count_publishes

pytestmark = pytest.mark.broker


async def test_a_room_is_made_and_talked_in(worker, sender, history):
    await sender.make_room()
    answer = await sender.ask("send", "mia", text="hello")
    assert (answer.type, answer.seq) == ("accepted", 2)
    await eventually(lambda: history.seqs("general") == [1, 2])
    assert history.events["general"][1].message_id == answer.message_id


async def test_a_refusal_is_answered_and_nothing_is_logged(worker, sender, history):
    await sender.make_room()
    answer = await sender.ask("send", "bob", text="hello")
    assert (answer.code, answer.definite, answer.command_id) == (Code.NOT_A_MEMBER, True, "c2")
    assert (await sender.ask("send", "mia", room="nowhere", text="x")).code is Code.ROOM_NOT_FOUND
    assert history.seqs("general") == [1]


async def test_i3_i4_many_at_once_are_numbered_without_a_hole_and_fanned_out_in_that_order(
    worker, sender, history, open_gate
):
    await sender.make_room()
    gates = [await open_gate("g1"), await open_gate("g2")]
    for gate in gates:
        await gate.attach("general", a="mia")
    answers = [await answered(future) for future in [sender.send("send", "mia", text=f"{n}") for n in range(400)]]
    assert [answer.seq for answer in answers] == list(range(2, 402))
    await eventually(lambda: all(len(gate.seqs()) == 400 for gate in gates))
    assert gates[0].seqs() == gates[1].seqs() == list(range(2, 402))
    assert history.seqs("general") == list(range(1, 402))


async def test_i6_an_event_is_one_publish_to_the_log_and_one_to_the_fan_out_whatever_the_number_of_gates(
    worker, sender, link, open_gate
):
    await sender.make_room()
    watching = [await open_gate(name) for name in ("g1", "g2", "g3")]
    idle = await open_gate("g4")
    for gate in watching:
        await gate.attach("general", a="mia")
    await eventually(lambda: nothing_reaches(idle, sender, watching[0]))
    await eventually(lambda: signals_of(watching[0], "presence"))
    idle.arrived.clear()
    logged, fanned_out = await count_publishes(link, routes.LOG, "#"), await count_publishes(link, routes.FANOUT, "#")
    for number in range(50):
        await sender.ask("send", "olga", text=f"{number}")
    await eventually(lambda: all(len(gate.seqs()) == 50 for gate in watching))
    await eventually(lambda: (len(logged), len(fanned_out)) == (50, 50))
    assert idle.arrived == []


async def nothing_reaches(idle, sender, watcher):
    """The room knows by now that a gate holds nothing of it."""
    before, signals = len(idle.arrived), len(signals_of(watcher, "typing"))
    for active in (True, False, True, False):
        await sender.ask("typing", active=active)
    await eventually(lambda: len(signals_of(watcher, "typing")) == signals + 4)
    return len(idle.arrived) == before


def signals_of(gate, name):
    return [signal for signal in gate.signals() if signal["signal"] == name]


async def test_the_answer_of_an_attached_sender_rides_on_the_fan_out_and_no_reply_is_sent(worker, sender, open_gate):
    await sender.make_room()
    gate = await open_gate("g1")
    await gate.attach("general", a="mia")
    future = sender.send("send", "mia", text="hi", client="g1/a", command_id="mine")
    await eventually(lambda: gate.of_kind(FanoutKind.EVENT))
    [(headers, _)] = gate.of_kind(FanoutKind.EVENT)
    assert (headers.skip, headers.command_id, headers.seq) == ("g1/a", "mine", 2)
    assert (await sender.ask("send", "olga", text="next")).seq == 3
    assert not future.done()


async def test_i2_a_repeated_command_gets_its_first_answer_and_makes_one_event(worker, sender, history):
    await sender.make_room()
    both = [sender.send("send", "mia", text="once", command_id="same") for _ in range(2)]
    first, second = [await answered(future) for future in both]
    assert first == second
    assert (await sender.ask("send", "mia", text="once", command_id="same", retry=True)) == first
    assert history.seqs("general") == [1, 2]


async def test_i2_a_retry_that_the_room_no_longer_remembers_is_found_in_history(worker, sender, history):
    await sender.make_room()
    first = await sender.ask("send", "mia", text="long ago", command_id="old")
    for future in [sender.send("send", "olga", text=f"{number}") for number in range(520)]:
        await answered(future)
    future = sender.send("send", "mia", text="long ago", command_id="old", retry=True)
    behind = sender.send("send", "mia", text="new")
    assert await answered(future) == first
    assert (await answered(behind)).seq == 523
    fresh = await sender.ask("send", "mia", text="never seen", command_id="lost", retry=True)
    assert fresh.seq == 524
    assert history.seqs("general") == list(range(1, 525))


async def test_i4_an_attach_is_answered_at_its_place_among_the_events(worker, sender, open_gate):
    await sender.make_room()
    first, second = await open_gate("g1"), await open_gate("g2")
    await first.attach("general", a="mia")
    sends = [sender.send("send", "olga", text=f"{number}") for number in range(200)]
    attaching = asyncio.create_task(second.attach("general", b="rita"))
    for future in sends:
        await answered(future)
    answer = await attaching
    sends = [sender.send("send", "olga", text="after") for _ in range(20)]
    for future in sends:
        await answered(future)
    await eventually(lambda: first.seqs()[-1:] == [221])
    await eventually(lambda: second.seqs()[-1:] == [221])
    assert seqs_behind_the_first_answer(second) == list(range(answer.seq + 1, 222))
    assert (answer.member_count, [member.user for member in answer.members if member.online]) == (3, ["mia", "rita"])


def seqs_behind_the_first_answer(gate):
    """Before it, while the room does not know yet what a gate holds, events may come that the gate ignores."""
    kinds = [headers.kind for headers, _ in gate.arrived]
    behind = gate.arrived[kinds.index(FanoutKind.ATTACHED) + 1 :]
    return [headers.seq for headers, _ in behind if headers.kind is FanoutKind.EVENT]


async def test_i10_a_stranger_is_not_attached_and_a_member_who_leaves_hears_nothing_more(worker, sender, open_gate):
    await sender.make_room(visibility="private")
    gate = await open_gate("g1")
    answer = await gate.attach("general", a="mia", b="bob")
    assert [(each.session.user, each.code) for each in answer.refused] == [("bob", Code.ROOM_NOT_FOUND)]
    await sender.ask("leave", "mia")
    await sender.ask("send", "olga", text="without mia")
    await eventually(lambda: gate.seqs() == [2])
    assert gate.of_kind(FanoutKind.EVENT)[0][0].expel == "mia"


async def test_typing_is_signalled_and_never_logged(worker, sender, history, open_gate):
    await sender.make_room()
    gate = await open_gate("g1")
    await gate.attach("general", a="olga")
    answer = await sender.ask("typing", "mia")
    assert (answer.type, answer.seq) == ("accepted", 1)
    await eventually(lambda: signals_of(gate, "typing"))
    assert history.seqs("general") == [1]


BAD = {
    "garbage": (routes.command_key("general", "send"), b"\xff\x00garbage", "malformed", Code.BAD_FRAME),
    "missing field": (
        routes.command_key("general", "send"),
        b'{"type":"send","room":"general","actor":"mia","command_id":"c"}',
        "malformed",
        Code.BAD_FIELD,
    ),
    "another verb's key": (
        routes.command_key("general", "join"),
        b'{"type":"send","room":"general","actor":"mia","command_id":"c","text":"x"}',
        "misrouted",
        Code.BAD_ROUTE,
    ),
}


@pytest.mark.parametrize(("key", "body", "reason", "code"), BAD.values(), ids=BAD)
async def test_what_is_no_command_is_parked_with_its_reason_and_refused_and_the_shard_goes_on(
    worker, sender, link, key, body, reason, code
):
    await sender.make_room()
    refused = await answered(sender.send_raw(key, body))
    assert (refused.type, refused.code) == ("refused", code)
    parked = await eventually(lambda: take_parked(link))
    assert (parked.header.properties.headers["x-park-reason"], parked.body, parked.routing_key) == (reason, body, key)
    assert (await sender.ask("send", "mia", text="still here")).seq == 2


async def take_parked(link):
    channel = await link.transport.connection.channel()
    delivery = await channel.basic_get(routes.PARKED_QUEUE, no_ack=True)
    await channel.close()
    return delivery if delivery.delivery_tag else None


async def test_a_poison_delivery_is_parked_after_some_tries_and_the_shard_goes_on(
    worker, sender, history, link, monkeypatch
):
    from services.room import hall  # noqa: PLC0415 - the fault is planted where the room decides

    decide = hall.decide

    def break_on_poison(room, command, now):
        if getattr(command, "text", "") == "poison":
            raise RuntimeError("planted")
        return decide(room, command, now)

    monkeypatch.setattr(hall, "decide", break_on_poison)
    await sender.make_room()
    poison = sender.send("send", "mia", text="poison", command_id="bad")
    behind = sender.send("send", "mia", text="behind it")
    refused = await answered(poison)
    assert (refused.code, refused.command_id, refused.definite) == (Code.INTERNAL, "bad", False)
    assert (await answered(behind)).seq == 2
    parked = await eventually(lambda: take_parked(link))
    assert parked.header.properties.headers["x-park-reason"] == "poison"
    assert history.seqs("general") == [1, 2]


async def test_a_room_that_history_does_not_answer_for_is_refused_in_time_and_other_rooms_go_on(
    start_worker, history, sender
):
    await start_worker(snapshot_seconds=1)
    await sender.make_room("warm")
    history.silent = True
    cold = sender.send("send", "mia", room="cold", text="x", command_id="k")
    retried = sender.send("send", "olga", room="cold", text="x", command_id="r", retry=True)
    assert (await sender.ask("send", "mia", room="warm", text="on")).seq == 2
    assert (await answered(cold)).code is Code.OVERLOADED
    assert (await answered(retried)).code is Code.NO_ANSWER
    history.silent = False

    async def cold_is_loaded():
        answer = await sender.ask("send", "mia", room="cold", text="x", command_id="k")
        return answer.code is Code.ROOM_NOT_FOUND

    await eventually(cold_is_loaded)


async def test_rooms_above_the_limit_are_dropped_and_come_back_from_the_log(start_worker, history, sender):
    await start_worker(rooms_limit=64)
    rooms = [f"room-{number}" for number in range(100)]
    for room in rooms:
        await sender.make_room(room)
    answers = [await answered(future) for future in [sender.send("send", room=room, text="again") for room in rooms]]
    assert [answer.seq for answer in answers] == [2] * 100
    assert history.snapshots > 100
    assert history.stale == []
