"""`gatehouse chat` as people use it: processes with pipes, on real gates."""

import asyncio

import pytest

from tests.bed.command import ChatProcess, TerminalChat, run_command
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
    await shows(alice, "* Lobby: 2 members, 1 here")
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("hello, is anybody here?")
    await eventually(lambda: ("alice", "hello, is anybody here?") in bob.said(), SEEN_SECONDS)
    await bob.type("I am", "I always am", "/who")
    await all_show([alice, bob], [("alice", "hello, is anybody here?"), ("bob", "I am"), ("bob", "I always am")])
    await eventually(lambda: any(line.startswith("* here: alice, bob") for line in bob.notices()), SEEN_SECONDS)
    await eventually(lambda: "* bob is here" in alice.notices(), SEEN_SECONDS)
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


async def test_messages_are_addressed_by_their_seq_and_changed_for_everybody(stack, start_chat):
    alice = await start_chat("alice", stack.gates[0])
    bob = await start_chat("bob", stack.gates[1])
    await alice.type("teh first")
    first = await seq_of(bob, "teh first")
    await alice.type(f"/edit {first} the first", "and another")
    await bob.type(f"/react {first} 👍", f"/reply {first} well said")
    for chat in (alice, bob):
        await shows(chat, f"* alice edited #{first}: the first", f"* bob reacted to #{first}: 👍")
    await eventually(lambda: ("bob", f"(to #{first}) well said") in alice.said(), SEEN_SECONDS)
    another = await seq_of(bob, "and another")
    await bob.type(f"/delete {another}")
    await eventually(lambda: any(line.startswith("! not done (delete)") for line in bob.troubles), SEEN_SECONDS)
    await alice.type(f"/delete {another}")
    for chat in (alice, bob):
        await shows(chat, f"* alice deleted #{another}")
    assert await alice.leave() == 0
    carol = await start_chat("carol", stack.gates[0])
    await eventually(lambda: ("alice", "the first (edited)  [👍 1]") in carol.said(), SEEN_SECONDS)
    assert ("alice", "(deleted)") in carol.said()


async def test_who_may_rules_the_room_and_whoever_is_banned_is_out(stack, start_chat):
    olga = await start_chat("olga", stack.gates[0])
    await shows(olga, "* Lobby: 1 member, 1 here")
    bob = await start_chat("bob", stack.gates[1])
    await shows(olga, "* bob joined", "* bob is here")
    await olga.type("/role bob moderator", "/topic tea and cake", "/mute bob 1h", "/unmute bob", "/invite 1")
    topic = "* olga changed the room: it is about tea and cake"
    await shows(bob, "* bob is now moderator", topic, "* bob was unmuted by olga")
    await eventually(lambda: any(line.startswith("* olga made an invite: ") for line in bob.notices()), SEEN_SECONDS)
    await bob.type("/status away at lunch")
    await shows(olga, "* bob is away at lunch")
    await olga.type("/ban bob 1h too loud")
    assert await bob.ended() == 1
    assert bob.troubles[-1].startswith("gatehouse: you are no longer in lobby")
    await eventually(
        lambda: any(line.startswith("* bob was banned by olga until") for line in olga.notices()), SEEN_SECONDS
    )
    again = await start_chat("bob", stack.gates[0])
    assert await again.ended() == 1
    await olga.type("/unban bob")
    back = await start_chat("bob", stack.gates[0])
    await eventually(lambda: sum(line == "* bob joined" for line in olga.notices()) == 2, SEEN_SECONDS)
    await back.type("/leave")
    assert await back.ended() == 0
    await shows(olga, "* bob left")


async def test_an_invite_opens_a_private_room(stack, start_chat):
    olga = await NativeClient.open(stack.http, stack.token("olga"))
    await olga.ask("create", room="cellar", title="Cellar", visibility="private")
    invite = (await olga.ask("invite", room="cellar"))["invite"]
    await olga.close()
    code, _, err = await run_command(stack, "chat", "--user", "bob", "--room", "cellar", typed="hello")
    assert (code, err) == (1, "gatehouse: cannot enter cellar: room not found\n")
    arguments = ("chat", "--user", "bob", "--room", "cellar", "--invite", invite)
    code, out, _ = await run_command(stack, *arguments, typed="hello")
    assert code == 0
    assert out.rstrip().endswith("bob: hello")


async def shows(chat, *lines):
    """These lines are there in the end."""

    def shown():
        assert set(lines) <= set(chat.lines), (chat.lines, chat.troubles)
        return True

    await eventually(shown, SEEN_SECONDS)


async def seq_of(chat, text):
    """The seq with which a message is shown."""

    def found():
        return next((line.split()[1].removeprefix("#") for line in chat.lines if line.endswith(f": {text}")), None)

    return await eventually(found, SEEN_SECONDS)


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
