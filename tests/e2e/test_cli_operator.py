"""The operators' commands of `gatehouse` on a whole running installation."""

import json
import re

import pytest
from pamqp import commands

from schemas import routes
from schemas.errors import ParkReason
from schemas.parked import parked_headers
from services.runtime.broker import connect, open_channel
from tests.bed.command import run_command
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack, pytest.mark.timeout(240)]

SEEN_SECONDS = 60.0


@pytest.fixture
async def stack(start_stack):
    """One gate, two room workers, and the room `lobby` with alice in it."""
    return await start_stack(rooms=2, shards=2)


@pytest.fixture
async def alice(stack):
    client = await NativeClient.open(stack.http, stack.token("alice"))
    assert (await client.ask("create", room="lobby", title="Lobby"))["type"] == "accepted"
    assert (await client.ask("attach", room="lobby"))["type"] == "attached"
    yield client
    await client.close()


@pytest.fixture
def gatehouse(stack):
    """`await gatehouse("shards")`: exit code, stdout, stderr."""

    async def run(*arguments, typed=""):
        return await run_command(stack, *arguments, "--amqp-url", stack.amqp_url, typed=typed)

    return run


async def set_aside(stack, body, reason):
    """A command in `chat.parked`, as a worker would leave it."""
    connection = await connect(stack.amqp_url, "test", timeout_seconds=10)
    channel = await open_channel(connection, confirms=True)
    headers = parked_headers(reason, "it broke", routes.COMMANDS)
    properties = commands.Basic.Properties(headers=headers, delivery_mode=2)
    key = routes.command_key("lobby", "send")
    await channel.basic_publish(body, exchange=routes.PARKED, routing_key=key, properties=properties, mandatory=True)
    await connection.close()


async def test_a_room_is_shown_to_people_and_to_programs(gatehouse, alice):
    code, out, err = await gatehouse("room", "show", "lobby")
    assert (code, err) == (0, "")
    assert re.search(r"^position +epoch \w+, seq 1$", out, re.MULTILINE)
    assert re.search(r"^people +1 members, 1 online", out, re.MULTILINE)
    code, out, err = await gatehouse("room", "show", "lobby", "--json")
    assert (code, err, json.loads(out)["gates"][0]["sessions"]) == (0, "", 1)


async def test_every_shard_has_its_worker(gatehouse, alice):
    async def all_claimed():
        code, out, err = await gatehouse("shards", "--seconds", "2")
        assert (code, err) == (0, "")
        rows = [line.split() for line in out.splitlines()[1:3]]
        assert [row[0] for row in rows] == ["0", "1"]
        assert all(row[1] != "-" and row[4] == "yes" for row in rows), out
        return True

    await eventually(all_claimed, SEEN_SECONDS)


async def test_what_is_parked_is_listed_shown_replayed_and_dropped(gatehouse, stack, alice):
    command = {"type": "send", "room": "lobby", "actor": "alice", "command_id": "c-77", "text": "late, not lost"}
    await set_aside(stack, b"garbage", ParkReason.MALFORMED)
    await set_aside(stack, json.dumps(command).encode(), ParkReason.POISON)

    code, out, err = await gatehouse("parked", "list")
    assert (code, err) == (0, "")
    malformed, poison = (line.split()[0] for line in out.splitlines())
    code, out, _ = await gatehouse("parked", "show", poison)
    assert code == 0
    assert "late, not lost" in out

    assert await gatehouse("parked", "replay", poison) == (0, "replayed: 1\n", "")
    await eventually(lambda: [event["text"] for event in alice.events["lobby"]] == ["late, not lost"], SEEN_SECONDS)
    code, out, err = await gatehouse("parked", "drop", malformed, typed="n\n")
    assert (code, out.strip()) == (1, "")
    assert err.endswith("gatehouse: nothing was dropped\n")
    assert await gatehouse("parked", "drop", "--all", "--reason", "malformed", "--yes") == (0, "dropped: 1\n", "")
    assert await gatehouse("parked", "list") == (0, "nothing is parked\n", "")


FAILURES = [
    (("room", "show", "nowhere"), "nowhere: room not found"),
    (("parked", "show", "0123456789ab"), "nothing of the id 0123456789ab is parked"),
    (("parked", "replay", "0123456789ab"), "nothing of the id 0123456789ab is parked"),
    (("parked", "drop", "--all"), "nothing is parked"),
]


async def test_a_failure_is_one_sentence_and_exit_code_one(gatehouse, stack):
    for arguments, sentence in FAILURES:
        assert await gatehouse(*arguments) == (1, "", f"gatehouse: {sentence}\n")
    for url in ("amqp://guest:wrong@127.0.0.1:1/", "http://127.0.0.1:1", "nonsense"):
        code, out, err = await run_command(stack, "shards", "--amqp-url", url)
        assert (code, out, err.count("\n")) == (1, "", 1), err
        assert err.startswith("gatehouse: ")
        assert "wrong" not in err
