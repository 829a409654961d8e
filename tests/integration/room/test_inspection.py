"""What an operator is told of a room by its writer, on a real broker."""

import pytest

from schemas.control import RollCall, RosterDone
from schemas.errors import Code
from tests.bed.waiting import eventually

pytestmark = pytest.mark.broker


async def test_an_operator_is_told_what_the_writer_holds_of_a_room(worker, sender, open_gate, history):
    await sender.make_room()
    gate = await open_gate("g1")
    await gate.attach("general", a="mia", b="rita", c="mia")
    told = await sender.inspect()
    assert (told.room, told.seq, told.fence, told.title) == ("general", 1, 1, "General")
    assert (told.members, told.online, told.closed) == (3, 2, False)
    assert [(each.gate, each.sessions) for each in told.gates] == [("g1", 3)]
    assert told.writer.startswith("room-")
    assert history.seqs("general") == [1]


async def test_a_room_that_does_not_exist_is_refused_to_an_operator(worker, sender):
    told = await sender.inspect("nowhere")
    assert (told.type, told.code) == ("refused", Code.ROOM_NOT_FOUND)


async def test_an_inspection_stands_in_line_behind_the_commands_before_it(worker, sender):
    await sender.make_room()
    sends = [sender.send("send", "mia", text=f"{number}") for number in range(100)]
    assert (await sender.inspect()).seq == 101
    assert all(future.done() for future in sends)


async def test_a_roster_is_owed_until_the_gate_tells_it_to_the_term_that_asked(worker, sender, open_gate, roll):
    gate = await open_gate("g1")
    gate.tells_rosters = False
    await sender.make_room()
    await eventually(lambda: gate.asked)
    await eventually(lambda: owed(sender, ("g1",)))
    asked = gate.asked[-1]
    await gate.tell(RosterDone(gate="g1", worker=f"{asked.worker}0", shard=asked.shard))
    await gate.tell(RosterDone(gate="g1", worker=asked.worker.rpartition("-")[0], shard=asked.shard))
    await has_heard(gate, roll)
    assert all([await owed(sender, ("g1",)) for _ in range(5)])
    for each in gate.asked:
        await gate.tell(RosterDone(gate="g1", worker=each.worker, shard=each.shard))
    await eventually(lambda: owed(sender, ()))


async def has_heard(gate, roll):
    """The worker has taken up what the gate told before: it answers a roll call that came behind."""
    roll.said.clear()
    await gate.tell(RollCall())
    await eventually(lambda: roll.said)


async def owed(sender, gates):
    return (await sender.inspect()).rosters_owed == gates
