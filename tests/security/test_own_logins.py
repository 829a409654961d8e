"""The three services, each under the login that infra/rabbitmq/definitions.json grants it, do all that they do."""

import asyncio
import json
import secrets

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from clients.operator.inspection import inspect
from clients.operator.roll_call import call_roll
from infra.local.workers import Kind
from infra.rights import OWN_LOGINS, definitions
from schemas import routes
from services.runtime.broker import connect
from tests.bed.conversation import ConversationClient
from tests.bed.logins import url_of
from tests.bed.native import NativeClient
from tests.bed.waiting import eventually
from tests.security.broker_login import BrokerLogin

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

WAIT = 30
OUTSIDE = {"robot": "producer", "audit": "reader", "guard": "producer:general,reader"}
OWN_EXCHANGES = {
    "gatehouse-gateway": "gate.g0123456789ab",
    "gatehouse-operator": "control.operator-1",
    "guard": "guard.own",
}
"""Names that a login may declare, for an exchange as for a queue."""


@pytest.fixture
async def urls(management, amqp_url):
    """Every login has its rows and nothing else, and what a service would declare is there."""
    passwords = {login: secrets.token_hex(8) for login in OWN_LOGINS | OUTSIDE}
    for login, password in passwords.items():
        management.create_user(login, password)
    management.load(definitions(OWN_LOGINS | OUTSIDE, vhost=management.vhost, shards=routes.DEFAULT_SHARDS))
    return {login: url_of(amqp_url, login, password) for login, password in passwords.items()}


@pytest.fixture
async def stack(start_stack, urls):
    own = {kind: urls[f"gatehouse-{kind}"] for kind in Kind}
    return await start_stack(own_amqp_urls=own, environment={"GATEHOUSE_DECLARES": "false"})


async def test_a_whole_conversation_goes_on_under_least_privilege(stack, urls, amqp_url, management):
    queues = [name for name in management.queue_names() if not name.startswith(("gate.", "control."))]
    alice, bob = [await NativeClient.open(stack.http, stack.token(user)) for user in ("alice", "bob")]
    audit = await heard_by_a_reader(urls["audit"])

    assert (await alice.ask("create", room="hall", title="Hall", visibility="public"))["type"] == "accepted"
    assert (await bob.ask("join", room="hall"))["type"] == "accepted"
    start = [await each.ask("attach", room="hall") for each in (alice, bob)]
    assert [each["type"] for each in start] == ["attached", "attached"]
    await talk(alice, bob)
    await read(stack, alice, bob)
    await come_back(stack, bob, start[1])
    await an_outsider_takes_part(urls["robot"], bob)
    await a_stranger_is_sent_away(stack)
    await the_broken_is_parked(amqp_url, management)
    await an_operator_looks(urls["gatehouse-operator"])
    await a_new_writer_takes_over(stack, alice, bob)

    await eventually(lambda: [event["seq"] for event in audit.events] == list(range(1, bob.seqs("hall")[-1] + 1)), WAIT)
    assert "ACCESS_REFUSED" not in stack.logs(lines=100_000)
    assert [name for name in management.queue_names() if name in queues] == queues
    await audit.login.close()
    for client in (alice, bob):
        await client.close()


async def test_no_key_gets_around_its_permission_by_a_detour(stack, urls, management):
    """The broker holds a key against a topic permission where it is published, and neither where an exchange passes it
    on nor where a queue dead-letters it: so the services take only what was published to their own exchanges."""
    alice = await NativeClient.open(stack.http, stack.token("alice"))
    audit = await heard_by_a_reader(urls["audit"])
    assert (await alice.ask("create", room="hall", title="Hall", visibility="public"))["type"] == "accepted"
    assert (await alice.ask("send", room="hall", text="the first"))["type"] == "accepted"
    [*_, first] = await eventually(lambda: [event for event in audit.events if event.get("text")], WAIT)

    send = {"type": "send", "room": "hall", "text": "not hers"}
    forged = first | {"seq": first["seq"] + 1, "message_id": "msg_9", "command_id": "forged", "text": "never decided"}
    tried = {
        "gatehouse-operator": (routes.COMMANDS, routes.command_key("hall", "send"), send | {"actor": "alice"}),
        "gatehouse-gateway": (routes.LOG, routes.log_key("hall", "message_posted"), forged),
        "guard": (routes.INBOX, routes.inbox_key("hall", "send"), send),
    }
    for number, (name, (exchange, key, fields)) in enumerate(tried.items(), 1):
        login = await BrokerLogin.open(urls[name])
        assert not await login.may_publish(exchange, key)
        for way in (passed_on_as_unroutable, passed_on_by_a_binding, dead_lettered):
            body = json.dumps({"command_id": f"{name} {way.__name__}"} | fields).encode()
            await way(login, OWN_EXCHANGES[name], exchange, key, body)
        await eventually(lambda parked=3 * number: management.counters(routes.PARKED_QUEUE)["left"] == parked, WAIT)
        await login.close()

    assert (await alice.ask("send", room="hall", text="the second"))["seq"] == first["seq"] + 1

    async def shown():
        page = await alice.ask("history", room="hall")
        return [event["text"] for event in page["events"] if "text" in event] == ["the first", "the second"]

    await eventually(shown, WAIT, "what was said straight is there, and nothing else")
    await audit.login.close()
    await alice.close()


async def passed_on_as_unroutable(login, own, exchange, key, body):
    channel = await login.channel()
    await channel.exchange_declare(own, exchange_type="fanout", arguments={"alternate-exchange": exchange})
    assert await login.may_publish(own, key, body, user_id=login.name)
    await channel.exchange_delete(own)


async def passed_on_by_a_binding(login, own, exchange, key, body):
    channel = await login.channel()
    await channel.exchange_declare(own, exchange_type="fanout")
    await channel.exchange_bind(exchange, own)
    assert await login.may_publish(own, key, body, user_id=login.name)
    await channel.exchange_delete(own)


async def dead_lettered(login, own, exchange, key, body):
    """Through a queue in which nothing lives."""
    channel = await login.channel()
    arguments = {"x-message-ttl": 0, "x-dead-letter-exchange": exchange, "x-dead-letter-routing-key": key}
    await channel.queue_declare(own, exclusive=True, arguments=arguments)
    await channel.exchange_declare(own, exchange_type="fanout", auto_delete=True)
    await channel.queue_bind(own, own)
    assert await login.may_publish(own, "", body, user_id=login.name)


async def talk(alice, bob):
    sent = await alice.ask("send", room="hall", text="the quick brown fox", command_id="first")
    assert sent["type"] == "accepted"
    deeds = [
        ("edit", {"seq": sent["seq"], "text": "the slow brown fox"}),
        ("react", {"seq": sent["seq"], "emoji": "+1"}),
        ("mark_read", {"seq": sent["seq"]}),
        ("typing", {"active": True}),
        ("set_status", {"state": "away"}),
        ("invite", {"max_uses": 1}),
        ("send", {"text": "said again", "command_id": "first", "retry": True}),
    ]
    for verb, fields in deeds:
        assert (await alice.ask(verb, room="hall", **fields))["type"] == "accepted", verb
    assert (await bob.ask("send", room="hall", text="hello"))["type"] == "accepted"
    told = {"typing", "receipt", "presence"}
    await eventually(lambda: told <= {frame.get("signal") for frame in bob.frames}, WAIT)


async def read(stack, alice, bob):
    page = await bob.ask("history", room="hall")
    assert page["events"][-1]["text"] == "hello"

    async def found():
        return [one["text"] for one in (await bob.ask("search", room="hall", query="slow"))["events"]]

    assert await eventually(found, WAIT) == ["the slow brown fox"]
    assert [one["user"] for one in (await bob.ask("members", room="hall"))["members"]] == ["alice", "bob"]
    assert [one["room"] for one in (await alice.ask("rooms"))["rooms"]] == ["hall"]
    headers = {"Authorization": f"Bearer {stack.token('bob')}"}
    async with httpx.AsyncClient(base_url=stack.http, trust_env=False, headers=headers, timeout=WAIT) as http:
        assert (await http.post("/chat/hall/message", json={"content": "by rest"})).is_success
        assert (await http.get("/chat/hall/messages")).json()["messages"][-1]["content"] == "by rest"


async def come_back(stack, bob, attached):
    """By position: what was missed comes from the gate, or from history."""
    again = await NativeClient.open(stack.http, stack.token("bob"))
    position = {"epoch": attached["epoch"], "seq": attached["seq"]}
    assert (await again.ask("attach", room="hall", position=position))["type"] == "attached"
    await eventually(lambda: again.seqs("hall")[-1:] == bob.seqs("hall")[-1:], WAIT)
    await again.close()


async def an_outsider_takes_part(url, bob):
    robot = await BrokerLogin.open(url)
    assert (await robot.say("hall", "join"))["type"] == "accepted"
    assert (await robot.say("hall", "send", text="by inbox"))["type"] == "accepted"
    assert (await robot.say("hall", "dance"))["code"] == "unknown_command"
    await eventually(lambda: bob.events["hall"][-1].get("text") == "by inbox", WAIT)
    await robot.close()


async def a_stranger_is_sent_away(stack):
    """A "no" is asked for again behind the log: a barrier query of the gate's own."""
    with pytest.raises(InvalidStatus, match="403"):
        await ConversationClient.open(stack.http, "hall", stack.token("eve"))


async def the_broken_is_parked(amqp_url, management):
    """By gateway (the outsider's word above), room and history."""
    owner = await BrokerLogin.open(amqp_url)
    for exchange, key in (
        (routes.COMMANDS, routes.command_key("hall", "send")),
        (routes.LOG, routes.log_key("hall", "x")),
    ):
        assert await owner.may_publish(exchange, key, body=b"nonsense")
    await eventually(lambda: management.counters(routes.PARKED_QUEUE)["left"] == 3, WAIT)
    await owner.close()


async def an_operator_looks(url):
    connection = await connect(url, "operator", timeout_seconds=WAIT)
    assert (await inspect(connection, "hall")).room == "hall"
    assert len((await call_roll(connection, routes.DEFAULT_SHARDS, 2.0)).workers) == 1
    await connection.close()


async def a_new_writer_takes_over(stack, alice, bob):
    """It loads the room from history, and asks the gate who is there."""
    await stack.restart(Kind.ROOM)
    assert (await alice.ask("send", room="hall", text="after the change"))["type"] == "accepted"
    await eventually(lambda: bob.events["hall"][-1].get("text") == "after the change", WAIT)


class Reader:
    """A program that reads the log from a queue of its own."""

    def __init__(self, login):
        self.login = login
        self.events = []

    async def hear(self, delivery):
        body = json.loads(delivery.body)
        if body.get("type") == "event" and body["room"] == "hall":
            self.events.append(body)


async def heard_by_a_reader(url):
    reader = Reader(await BrokerLogin.open(url))
    channel = await reader.login.channel()
    async with asyncio.timeout(WAIT):
        await channel.queue_declare("audit.log", exclusive=True, arguments={"x-max-length": 1000})
        await channel.queue_bind("audit.log", routes.LOG, "room.#")
        await channel.basic_consume("audit.log", reader.hear, no_ack=True)
    return reader
