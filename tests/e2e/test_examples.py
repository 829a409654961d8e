"""The programs of examples/ do what their texts say, on the real services. They import nothing of ours."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import pytest

from schemas import routes
from schemas.commands import Create
from schemas.ids import CommandId, RoomId, UserId

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

EXAMPLES = Path(__file__).parents[2] / "examples"
GENERAL = RoomId("general")
WITHIN_SECONDS = 60


@asynccontextmanager
async def running(name, *arguments):
    """An example as a process; its output is read line by line. It is stopped at the end if it still runs."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-P", str(EXAMPLES / name), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(WITHIN_SECONDS):
            yield program
    finally:
        if program.returncode is None:
            program.terminate()
        await asyncio.wait_for(program.communicate(), WITHIN_SECONDS)


async def line_of(program, beginning):
    """The rest of the next line that begins so."""
    while line := (await program.stdout.readline()).decode().strip():
        if line.startswith(beginning):
            return line.removeprefix(beginning).strip()
    raise AssertionError(f"the program ended without a line that begins with {beginning!r}")


async def create_general(amqp_url):
    """Make the room in alice's name, as a trusted producer would, and wait for the answer."""
    command = Create(room=GENERAL, actor=UserId("alice"), command_id=CommandId(str(uuid4())), title="General")
    connection = await aio_pika.connect(amqp_url)
    async with connection, connection.channel() as channel:
        answers = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(command.to_json(), reply_to=answers.name, correlation_id=command.command_id)
        exchange = await channel.get_exchange(routes.COMMANDS, ensure=False)
        await exchange.publish(message, routes.command_key(GENERAL, "create"))
        async with answers.iterator(no_ack=True, timeout=WITHIN_SECONDS) as replies:
            assert json.loads((await anext(replies)).body)["type"] == "accepted"


async def test_a_trusted_producer_speaks_for_alice_and_a_log_consumer_reads_it(start_stack, amqp_url):
    await start_stack(gates=0)
    async with running("log_consumer.py", amqp_url, "outside.test") as consumer:
        await line_of(consumer, "reading")
        await create_general(amqp_url)
        assert await line_of(consumer, "general 1") == "room_created"
        async with running("trusted_producer.py", "alice", "general", "The build is green", amqp_url) as producer:
            answer = json.loads((await producer.communicate())[0])
        assert (answer["type"], answer["seq"]) == ("accepted", 2)
        assert await line_of(consumer, "general 2") == "message_posted The build is green"


async def test_a_log_consumer_that_was_away_goes_on_where_it_stopped(start_stack, amqp_url):
    await start_stack(gates=0)
    async with running("log_consumer.py", amqp_url, "outside.test") as consumer:
        await line_of(consumer, "reading")
    await create_general(amqp_url)
    async with running("log_consumer.py", amqp_url, "outside.test") as consumer:
        assert await line_of(consumer, "general 1") == "room_created"


async def test_a_bot_joins_and_sends_through_the_inbox_and_reads_its_own_events(start_stack, amqp_url):
    await start_stack(gates=1)
    await create_general(amqp_url)
    async with running("inbox_bot.py", amqp_url) as bot:
        joined = json.loads(await line_of(bot, "answer"))
        sent = json.loads(await line_of(bot, "answer"))
        seen = [json.loads(await line_of(bot, "event")) for _ in range(2)]
    assert (joined["type"], joined["seq"]) == ("accepted", 2)
    assert (sent["type"], sent["seq"]) == ("accepted", 3)
    assert [(event["event"], event["seq"]) for event in seen] == [("member_joined", 2), ("message_posted", 3)]
    assert {event["actor"] for event in seen} == {urlsplit(amqp_url).username}
    assert seen[1]["message_id"] == sent["message_id"]
