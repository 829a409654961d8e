"""The commands of `gatehouse` that answer and end."""

import jwt
import pytest

from tests.bed.command import run_command
from tests.bed.native import NativeClient

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(180)]


@pytest.fixture
async def stack(start_stack):
    """One gate, and the public room `lobby` of alice."""
    stack = await start_stack()
    owner = await NativeClient.open(stack.http, stack.token("alice"))
    assert (await owner.ask("create", room="lobby", title="Lobby"))["type"] == "accepted"
    await owner.close()
    return stack


async def test_what_is_sent_is_in_the_history(stack):
    for number in (1, 2, 3):
        code, out, err = await run_command(stack, "send", "--user", "alice", "--room", "lobby", f"line {number}")
        assert (code, err) == (0, "")
        assert out == f"accepted as {number + 1} in lobby\n"
    code, out, err = await run_command(stack, "history", "--user", "bob", "--room", "lobby", "--limit", "2")
    assert (code, err) == (0, "")
    assert [line[5:] for line in out.splitlines()] == [" #3 alice: line 2", " #4 alice: line 3"]


async def test_rooms_are_ones_own_and_those_open_to_join(stack):
    code, out, _ = await run_command(stack, "rooms", "--user", "alice")
    assert (code, out.splitlines()) == (0, ["yours:", "  lobby  Lobby (public, 1 member)", "open to join: none"])
    code, out, _ = await run_command(stack, "rooms", "--user", "bob")
    assert (code, out.splitlines()) == (0, ["yours: none", "open to join:", "  lobby  Lobby (public, 1 member)"])


async def test_a_piped_conversation_ends_when_all_of_it_is_answered(stack):
    code, out, _ = await run_command(stack, "chat", "--user", "alice", "--room", "lobby", typed="one\ntwo\nthree")
    assert code == 0
    assert [line[5:] for line in out.splitlines() if not line.startswith("*")] == [
        " #2 alice: one",
        " #3 alice: two",
        " #4 alice: three",
    ]


async def test_a_token_is_good_at_the_gate_for_its_hours(stack):
    code, out, _ = await run_command(stack, "token", "--user", "carol", "--hours", "2")
    claims = jwt.decode(out.strip(), stack.jwt_secret, algorithms=["HS256"])
    assert (code, claims["sub"], claims["exp"] - claims["iat"]) == (0, "carol", 7200)
    code, out, _ = await run_command(stack, "rooms", "--token", out.strip())
    assert (code, out.splitlines()[0]) == (0, "yours: none")


FAILURES = [
    (("send", "--user", "bob", "--room", "lobby", "hi"), "user is not a member of this room"),
    (("send", "--user", "bob", "--room", "nowhere", "hi"), "room not found"),
    (("history", "--user", "bob", "--room", "nowhere"), "room not found"),
    (("rooms", "--user", "bob", "--gate", "http://127.0.0.1:1"), "nobody listens there"),
    (("rooms", "--user", "bob", "--gate", "127.0.0.1:1"), "a gate is an address like http://127.0.0.1:8080"),
    (("rooms", "--token", "no.token.atall"), "no valid identity was given"),
]


async def test_a_failure_is_one_sentence_and_exit_code_one(stack):
    for arguments, sentence in FAILURES:
        code, out, err = await run_command(stack, *arguments)
        assert (code, out) == (1, ""), arguments
        assert err.startswith("gatehouse: ")
        assert sentence in err
        assert err.count("\n") == 1
