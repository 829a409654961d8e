"""What is killed, refused or drained in mid-traffic, and what senders and gates see of it."""

import asyncio

import pytest

from schemas import routes
from schemas.errors import Code
from schemas.fanout import FanoutKind, RoomTops
from services.runtime.broker import open_channel
from tests.bed.waiting import eventually
from tests.integration.room.around import answered

pytestmark = pytest.mark.broker

SENDS = 600


async def test_i1_i2_i3_a_worker_killed_in_mid_traffic_is_followed_without_a_hole_or_a_repeat(
    start_process, history, sender, open_gate
):
    first = await start_process()
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia")
    await start_process()
    sends = [sender.send("send", "mia", text=f"{number}", command_id=f"s{number}") for number in range(SENDS)]
    await answered(sends[100])
    await first.kill()
    answers = [await answered(future) for future in sends]
    assert sorted(answer.seq for answer in answers) == list(range(2, SENDS + 2))
    assert history.seqs("general") == list(range(1, SENDS + 2))
    assert history.stale == []
    stored = {event.command_id: event.seq for event in history.events["general"]}
    assert {answer.command_id: answer.seq for answer in answers}.items() <= stored.items()
    await gate_is_told_of(gate, SENDS + 1)
    assert len(gate.asked) >= 2


async def gate_is_told_of(gate, top):
    """Events come in order and never twice; and where some were lost with the worker, a position says so."""
    await eventually(lambda: max(gate.seqs() + positions(gate)) == top)
    seqs = gate.seqs()
    assert seqs == sorted(set(seqs))
    missing = set(range(2, top + 1)) - set(seqs)
    assert not missing or max(positions(gate)) >= max(missing) or max(seqs) > max(missing)


def positions(gate):
    """How far the gate was told that the room is, by answers to its attaches and by quiet rooms' positions."""
    attached = [headers.seq for headers, _ in gate.arrived if headers.kind is FanoutKind.ATTACHED]
    bodies = [body for headers, body in gate.arrived if headers.kind is FanoutKind.TOPS]
    tops = [top for body in bodies for top in RoomTops.model_validate_json(body).tops]
    return attached + [top.seq for top in tops if top.room == "general"]


async def test_i3_a_worker_that_drains_finishes_what_it_began_and_the_next_goes_on(
    start_process, history, sender, open_gate
):
    first = await start_process()
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia")
    await start_process()
    sends = [sender.send("send", "mia", text=f"{number}", command_id=f"s{number}") for number in range(SENDS)]
    await answered(sends[50])
    assert await first.stop() == 0
    answers = [await answered(future) for future in sends]
    assert [answer.seq for answer in answers] == list(range(2, SENDS + 2))
    assert history.seqs("general") == list(range(1, SENDS + 2))
    await gate_is_told_of(gate, SENDS + 1)


async def test_a_connection_closed_by_the_broker_is_replaced_and_what_was_known_is_learned_anew(
    worker, history, sender, open_gate, management
):
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia", b="rita")
    asked = len(gate.asked)
    [connection] = await eventually(lambda: asyncio.to_thread(room_connections, management))
    await asyncio.to_thread(management.close_connection, connection)
    assert (await sender.ask("send", "olga", text="after")).seq == 2
    await eventually(lambda: len(gate.asked) > asked)
    await eventually(lambda: len(gate.of_kind(FanoutKind.ATTACHED)) >= 2)
    assert (await sender.ask("send", "mia", text="more", command_id="mine")).seq == 3
    await eventually(lambda: 3 in gate.seqs())
    assert history.stale == []


def room_connections(management):
    found = management.connections()
    names = {each["name"]: each.get("client_properties", {}).get("connection_name", "") for each in found}
    return [name for name, shown in names.items() if shown.startswith("room-")]


async def test_i5_an_event_without_its_confirm_is_not_fanned_out_and_its_sender_is_answered_from_the_log(
    worker, history, sender, link, open_gate
):
    """One of two queues behind the log refuses: the event is stored and yet not confirmed."""
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia")
    full = await bind_a_queue_that_takes_nothing(link)
    answer = await sender.ask("send", "olga", text="early", command_id="early")
    assert (answer.type, answer.seq) == ("accepted", 2)
    assert history.snapshots >= 2
    assert history.seqs("general") == [1, 2]
    await eventually(lambda: 2 in [headers.seq for headers, _ in gate.arrived])
    assert 2 not in gate.seqs()
    await remove_queue(link, full)
    assert (await sender.ask("send", "olga", text="late")).seq == 3
    await eventually(lambda: gate.seqs()[-1:] == [3])
    assert 2 not in gate.seqs()  # the first event comes too, to a gate that owes its roster yet
    assert history.seqs("general") == [1, 2, 3]


async def bind_a_queue_that_takes_nothing(link, key="room.#"):
    channel = await open_channel(link, confirms=True)
    arguments = {"x-max-length": 0, "x-overflow": "reject-publish"}
    await channel.queue_declare("full", durable=True, arguments=arguments)
    await channel.queue_bind("full", routes.LOG, key)
    return "full"


async def remove_queue(link, name):
    channel = await open_channel(link, confirms=True)
    await channel.queue_delete(name)


async def test_a_room_that_the_log_does_not_let_load_costs_its_commands_no_delivery_after_the_first(
    worker, history, sender, link
):
    """Each delivery to a term that fails brings a command nearer to the broker's delivery limit."""
    full = await bind_a_queue_that_takes_nothing(link, "query.#")
    fields = {"title": "General", "command_id": "mine"}
    assert (await sender.ask("create", **fields)).code is Code.NO_ANSWER
    await eventually(lambda: history.lookups >= 2, 20)
    assert (await sender.ask("create", **fields)).code is Code.OVERLOADED
    assert history.snapshots == 1
    await remove_queue(link, full)
    answer = await eventually(lambda: taken(sender, "create", **fields, retry=True), 20)
    assert (answer.type, answer.seq) == ("accepted", 1)


async def taken(sender, verb, **fields):
    """The answer, unless it says that the log refuses."""
    answer = await sender.ask(verb, **fields)
    return None if answer.type == "refused" and answer.code in (Code.OVERLOADED, Code.NO_ANSWER) else answer


async def test_i5_an_event_that_the_log_cannot_route_is_neither_fanned_out_nor_accepted(
    worker, history, sender, link, open_gate
):
    gate = await open_gate("g1")
    await sender.make_room()
    await gate.attach("general", a="mia")
    channel = await open_channel(link, confirms=True)
    word = routes.bucket_word(routes.bucket("general"))
    queue = routes.history_queue(routes.shard_of("general", 2))
    for kind in ("room", "query"):
        await channel.queue_unbind(queue, routes.LOG, f"{kind}.{word}.#")
    mine = {"actor": "olga", "text": "x", "command_id": "mine"}
    assert (await sender.ask("send", **mine)).code is Code.NO_ANSWER
    assert gate.seqs() == []
    for kind in ("room", "query"):
        await channel.queue_bind(queue, routes.LOG, f"{kind}.{word}.#")
    assert (await eventually(lambda: taken(sender, "send", **mine, retry=True), 20)).seq == 2
    await eventually(lambda: gate.seqs() == [2])
    assert history.seqs("general") == [1, 2]
