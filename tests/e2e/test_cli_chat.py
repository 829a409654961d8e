"""`gatehouse chat` as people use it: processes with pipes, on real gates."""

import asyncio

import pytest

from tests.bed.command import ChatProcess, TerminalChat
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(240)]

SEEN_SECONDS = 40.0


@pytest.fixture
async def stack(start_stack):
    """Two gates, and the public room `lobby` that only its owner is in."""
    stack = await start_stack(gates=2)
    owner = await NativeClient.open(stack.http, stack.token("olga"))
    assert (await owner.ask("create", room="lobby", title="Lobby"))["type"] == "accepted"
    await owner.close()
    return stack


@pytest.fixture
async def start_chat(stack):
    """`await start_chat("alice", gate, ...)`; killed at the end if still there."""
    chats = []

    async def start(user, *gates):
        chats.append(await ChatProcess.start(stack, user, "lobby", *gates))
        return chats[-1]

    yield start
    for chat in chats:
        await chat.kill()


async def all_show(chats, expected):
    """Every chat shows exactly these messages, each once, and all in one order."""

    def shown():
        for chat in chats:
            assert sorted(chat.said()) == sorted(expected), chat.troubles
        return True

    await eventually(shown, SEEN_SECONDS)
    assert len({tuple(chat.said()) for chat in chats}) == 1


async def test_two_people_on_two_gates_read_the_same_conversation(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0])
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("hello, is anybody here?")
    await eventually(lambda: ("alice", "hello, is anybody here?") in bob.said(), SEEN_SECONDS)
    await bob.type("I am", "I always am", "/who")
    await all_show([alice, bob], [("alice", "hello, is anybody here?"), ("bob", "I am"), ("bob", "I always am")])
    await eventually(lambda: any(line.startswith("* here: alice, bob") for line in bob.notices()), SEEN_SECONDS)
    assert await bob.leave() == 0
    await eventually(lambda: "* bob went away" in alice.notices(), SEEN_SECONDS)
    assert await alice.leave() == 0


async def test_whoever_comes_later_sees_what_was_said_before(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0])
    await alice.type(*(f"line {number}" for number in range(1, 26)))
    assert await alice.leave() == 0
    assert len(alice.said()) == 25
    bob = await start_chat("bob", stack.gates[1])
    await eventually(lambda: len(bob.said()) >= 20, SEEN_SECONDS)
    assert bob.said() == [("alice", f"line {number}") for number in range(6, 26)]


async def test_a_killed_gate_costs_no_line_and_doubles_none(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0], stack.gates[1])
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("before")
    await all_show([alice, bob], [("alice", "before")])

    spoken = [("alice", "before")]
    for number in range(1, 31):
        spoken += [("alice", f"a{number}"), ("bob", f"b{number}")]
        await asyncio.gather(alice.type(f"a{number}"), bob.type(f"b{number}"))
        if number == 10:
            await eventually(lambda: ("alice", "a3") in bob.said(), SEEN_SECONDS)
            stack.gates[0].kill9()

    await all_show([alice, bob], spoken)
    assert any("trying again" in line for line in alice.troubles)
    assert [text for user, text in bob.said() if user == "alice"] == ["before", *(f"a{n}" for n in range(1, 31))]


async def test_a_gate_that_is_restarted_is_come_back_to(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0])
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("one")
    await all_show([alice, bob], [("alice", "one")])
    stack.gates[0].kill9()
    await asyncio.gather(bob.type("two"), alice.type("three"))
    await stack.restart("gateway", 0)
    await all_show([alice, bob], [("alice", "one"), ("bob", "two"), ("alice", "three")])
    assert await alice.leave() == 0


async def test_a_killed_room_worker_costs_no_line_and_doubles_none(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0])
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("before")
    await all_show([alice, bob], [("alice", "before")])
    await asyncio.gather(alice.type(*(f"a{n}" for n in range(10))), bob.type(*(f"b{n}" for n in range(10))))
    stack.kill9("room")
    await stack.restart("room")
    said = [(user, f"{user[0]}{n}") for user in ("alice", "bob") for n in range(10)]
    await all_show([alice, bob], [("alice", "before"), *said])


async def test_a_room_that_is_not_there_is_one_sentence_and_an_exit_code(stack):
    nowhere = await ChatProcess.start(stack, "alice", "nowhere", stack.gates[0])
    assert await nowhere.ended() == 1
    assert nowhere.troubles == ["gatehouse: cannot enter nowhere: room not found"]


async def test_at_a_terminal_an_incoming_line_leaves_the_one_being_typed(stack, start_chat):
    bob = await start_chat("bob", stack.gates[1])
    alice = await TerminalChat.start(stack, "alice", "lobby")
    try:
        await eventually(lambda: "Lobby" in alice.shown, SEEN_SECONDS)
        alice.type("half a thou")
        await eventually(lambda: "half a thou" in alice.shown, SEEN_SECONDS)
        await bob.type("may I interrupt?")
        await eventually(lambda: "half a thou" in alice.shown.partition("bob: may I interrupt?")[2], SEEN_SECONDS)
        alice.type("ght\r")
        await eventually(lambda: ("alice", "half a thought") in bob.said(), SEEN_SECONDS)
        await eventually(lambda: "alice: half a thought" in alice.shown, SEEN_SECONDS)
        alice.type("/quit\r")
        assert await alice.ended() == 0
    finally:
        await alice.kill()
