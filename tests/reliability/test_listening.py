"""Nothing that a client is told goes unnoticed: what is no frame, what it did not ask for, and what comes late."""

import asyncio

import pytest
from websockets.asyncio.server import serve

from tests.bed.waiting import eventually
from tests.reliability.client import FleetClient
from tests.reliability.doors.door import Overheard, Wish
from tests.reliability.journal import Answered, Garbled, Got, Opened, Told

EVENT = {
    "type": "event",
    "event": "message_posted",
    "room": "r",
    "epoch": "e",
    "seq": 3,
    "command_id": "c3",
    "text": "x",
}
ACCEPTED = {"type": "accepted", "room": "r", "epoch": "e", "seq": 3, "command_id": "c3"}


def wish(verb="send"):
    return Wish(user="ann", verb=verb, room="r", command_id="c3", fields={})


async def test_what_is_no_frame_is_noted_and_what_follows_is_read():
    said = ["no JSON", "[]", b"binary", '{"type": "event", "room": "r"}', '{"type": "welcome"}']

    async def gate(connection):
        for each in said:
            await connection.send(each)
        await connection.wait_closed()

    async with serve(gate, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = FleetClient("ann", "a token", [], [f"http://127.0.0.1:{port}"])
        living = asyncio.create_task(client.live())
        await eventually(lambda: client.journal.of(Opened), 10, "the welcome behind it all is read")
        client.end()
        await living
    assert len(client.journal.of(Garbled)) == len(said) - 1


def test_an_answer_that_comes_when_nobody_waits_any_more_counts():
    heard = Overheard()
    heard.give_up("7", wish())
    heard.take_answer("7", ACCEPTED)
    [late] = heard.journals["ann"]
    assert isinstance(late, Answered)
    assert (late.room, late.seq, late.command_id) == ("r", 3, "c3")


@pytest.mark.parametrize(
    ("number", "given_up", "answer"),
    [
        ("7", wish(), {"type": "refused", "code": "overloaded"}),
        ("7", wish("mark_read"), ACCEPTED),
        ("8", wish(), ACCEPTED),
    ],
    ids=["refused", "no event", "another's"],
)
def test_an_answer_that_names_no_event_of_theirs_says_nothing(number, given_up, answer):
    heard = Overheard()
    heard.give_up("7", given_up)
    heard.take_answer(number, answer)
    assert not heard.journals


def test_whatever_is_pushed_of_a_room_is_noted():
    heard = Overheard()
    heard.take_push("ann", EVENT)
    heard.take_push("ann", {"type": "signal", "signal": "typing", "room": "r", "user": "bob", "active": True})
    heard.take_push("ann", {"type": "signal", "signal": "service", "available": True})
    heard.take_garbled("ann", "no JSON")
    assert [type(entry) for entry in heard.journals["ann"]] == [Got, Told, Garbled]
