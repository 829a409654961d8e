"""Who is no member of a private room learns nothing of it, over any door, not even that it exists (I10)."""

import asyncio
import json

import aio_pika
import httpx
import pytest

from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

SECRET_TEXT = "nobody else may read this"


@pytest.fixture
async def stack(start_stack):
    return await start_stack()


@pytest.fixture
async def alice(stack):
    """A member of the private room `cellar`, where one message stands."""
    alice = await NativeClient.open(stack.http, stack.token("alice"))
    created = await alice.ask("create", room="cellar", title="Cellar", visibility="private", members=["bob"])
    assert created["type"] == "accepted"
    assert (await alice.ask("attach", room="cellar", echo=True))["type"] == "attached"
    assert (await alice.ask("send", room="cellar", text=SECRET_TEXT))["type"] == "accepted"
    yield alice
    await alice.close()


@pytest.fixture
async def eve(stack, alice):
    eve = await NativeClient.open(stack.http, stack.token("eve"))
    yield eve
    await eve.close()


ASKED = [
    ("attach", {}),
    ("attach", {"position": {"epoch": "a", "seq": 0}}),
    ("history", {}),
    ("history", {"after": 0}),
    ("members", {}),
    ("send", {"text": "let me in"}),
    ("join", {}),
    ("leave", {}),
    ("add", {"user": "eve"}),
    ("kick", {"user": "alice"}),
    ("close", {}),
    ("typing", {}),
]


async def test_i10_a_stranger_hears_the_same_of_a_private_room_as_of_none(eve):
    for kind, fields in ASKED:
        private = await eve.ask(kind, room="cellar", **fields)
        absent = await eve.ask(kind, room="no-such-room", **fields)
        assert (private["type"], private["code"]) == ("refused", "room_not_found"), kind
        assert told(private) == told(absent), kind


def told(answer):
    """A refusal without what names the question."""
    return {name: value for name, value in answer.items() if name not in ("id", "command_id")}


async def test_i10_a_stranger_finds_a_private_room_in_no_list(eve, alice):
    assert (await eve.ask("rooms"))["rooms"] == []
    assert (await eve.ask("rooms", directory=True))["rooms"] == []
    await eventually(lambda: lists_cellar(alice), 20)


async def lists_cellar(alice):
    return [view["room"] for view in (await alice.ask("rooms"))["rooms"]] == ["cellar"]


PATHS = [
    ("GET", "/chat/conversations/{room}"),
    ("GET", "/chat/{room}/messages"),
    ("POST", "/chat/{room}/join"),
    ("DELETE", "/chat/{room}/leave"),
]


async def test_i10_rest_hides_a_private_room_from_a_stranger(stack, alice):
    headers = {"Authorization": f"Bearer {stack.token('eve')}"}
    async with httpx.AsyncClient(base_url=stack.http, trust_env=False, headers=headers) as http:
        for method, path in PATHS:
            answers = [await http.request(method, path.format(room=room)) for room in ("cellar", "nowhere")]
            assert [answer.status_code for answer in answers] == [404, 404], path
            assert {answer.json()["code"] for answer in answers} == {"NOT_FOUND"}, path
            assert SECRET_TEXT not in answers[0].text


async def test_i10_a_member_who_was_kicked_receives_nothing_more(stack, alice):
    bob = await NativeClient.open(stack.http, stack.token("bob"))
    assert (await bob.ask("attach", room="cellar"))["type"] == "attached"
    kicked = await alice.ask("kick", room="cellar", user="bob")
    assert kicked["type"] == "accepted"
    assert (await alice.ask("send", room="cellar", text="now he is gone"))["type"] == "accepted"
    await eventually(lambda: reads_no_more(bob, "now he is gone"), 20)
    assert (await bob.ask("attach", room="cellar"))["code"] == "room_not_found"
    assert bob.seqs("cellar")[-1:] == [kicked["seq"]]
    assert "now he is gone" not in json.dumps(bob.events["cellar"])
    await bob.close()


async def reads_no_more(client, text):
    """True once pages are refused, which is a moment after the kick; none before that may hold what came behind it."""
    page = await client.ask("history", room="cellar")
    if text in json.dumps(page):
        pytest.fail(f"a page shows what came after the member had gone: {page}")
    return page.get("code") == "room_not_found"


async def test_i10_the_inbox_hides_a_private_room_from_a_stranger(stack, alice, management):
    management.create_user("eve", "eve-password")
    management.set_permissions("eve", configure="^$", write="^chat\\.inbox$", read="^$")
    answer = await asyncio.wait_for(said_by_inbox(management, stack.amqp_url, "cellar"), 30)
    assert answer["code"] == "room_not_found"


async def said_by_inbox(management, amqp_url, room):
    """What the inbox answers to eve's `send`."""
    heard = asyncio.get_running_loop().create_future()
    url = httpx.URL(amqp_url).copy_with(username="eve", password="eve-password")
    async with await aio_pika.connect(str(url)) as connection:
        channel = await connection.channel(publisher_confirms=False)
        replies = await channel.get_queue("amq.rabbitmq.reply-to", ensure=False)

        async def on_reply(message):
            heard.set_result(json.loads(message.body))

        await replies.consume(on_reply, no_ack=True)
        inbox = await channel.get_exchange("chat.inbox", ensure=False)
        body = {"type": "send", "room": room, "command_id": "eve-1", "text": "let me in"}
        message = aio_pika.Message(
            json.dumps(body).encode(), user_id="eve", reply_to="amq.rabbitmq.reply-to", correlation_id="1"
        )
        await inbox.publish(message, routing_key=f"room.{room}.send")
        return await heard
