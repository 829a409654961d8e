"""What infra/rabbitmq/definitions.json and `python -m infra.rights` grant, on the broker: every kind of login does what
it is for, and whatever else it tries is refused, with nothing of it arriving anywhere."""

import json
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from infra.rights import OWN_LOGINS, definitions
from schemas import routes, topology
from tests.bed.logins import url_of
from tests.bed.waiting import eventually
from tests.security.broker_login import BrokerLogin

pytestmark = pytest.mark.broker

COMMITTED = Path(__file__).parents[2] / "infra" / "rabbitmq" / "definitions.json"
WAIT = 20
OUTSIDE = {
    "robot": "producer",
    "guard": "producer:general",
    "builds": "trusted",
    "audit": "reader",
    "healer": "operator,replayer",
    "both": "producer:general,reader",
    "mia": "producer,reader",
    "mia.x": "producer,reader",
}
SEND, OTHER = "room.10.general.send", "room.13.tech-support.send"
KEYS = {
    routes.INBOX: ("room.general.send", "room.tech-support.send", "anything"),
    routes.COMMANDS: (
        *(SEND, OTHER, "room.10.census", "room.10.general.attach", "room.10.general.detach"),
        *("room.10.general.inspect", "room.10", "anything"),
    ),
    routes.LOG: ("room.10.general.message_posted", "room.10.general.receipt", "query.10.general", "anything"),
    routes.FANOUT: ("gate.g0123456789ab", "anything"),
    routes.CONTROL: ("",),
    routes.QUERIES: ("history",),
    routes.PARKED: ("anything",),
    "": ("target",),
    "amq.topic": ("anything",),
}
"""What is tried: every exchange, and for each kind of key at least one."""
OF_GATES = {SEND, OTHER, "room.10.general.attach", "room.10.general.detach"}
LOGGED = {"room.10.general.message_posted", "room.10.general.receipt"}
WRITES = {
    "gatehouse-gateway": {
        routes.COMMANDS: OF_GATES,
        routes.LOG: {"query.10.general"},
        routes.FANOUT: {"gate.g0123456789ab"},
        routes.CONTROL: {""},
        routes.QUERIES: {"history"},
        routes.PARKED: {"anything"},
        "": {"target"},
    },
    "gatehouse-room": {
        routes.COMMANDS: {"room.10.census"},
        routes.LOG: LOGGED | {"query.10.general"},
        routes.FANOUT: {"gate.g0123456789ab"},
        routes.CONTROL: {""},
        routes.PARKED: {"anything"},
        "": {"target"},
    },
    "gatehouse-history": {routes.PARKED: {"anything"}, "": {"target"}},
    "gatehouse-operator": {routes.COMMANDS: {"room.10.general.inspect"}, routes.CONTROL: {""}},
    "robot": {routes.INBOX: {"room.general.send", "room.tech-support.send"}},
    "guard": {routes.INBOX: {"room.general.send"}},
    "builds": {routes.COMMANDS: {SEND, OTHER}},
    "audit": {},
    "both": {routes.INBOX: {"room.general.send"}},
    **{login: {routes.INBOX: {"room.general.send", "room.tech-support.send"}} for login in ("mia", "mia.x")},
    "healer": {
        routes.COMMANDS: OF_GATES | {"room.10.census", "room.10.general.inspect", "room.10"},
        routes.LOG: LOGGED,
        routes.CONTROL: {""},
    },
}
"""Who may write what, in words of its own: not what the patterns say, but what they are for."""
CONSUMES = {
    "gatehouse-gateway": {"gateway.inbox"},
    "gatehouse-room": {"room.shard.0"},
    "gatehouse-history": {"history.shard.0", "history.queries"},
    "gatehouse-operator": {"chat.parked"},
    "healer": {"chat.parked"},
}
QUEUES = ("gateway.inbox", "room.shard.0", "history.shard.0", "history.queries", "chat.parked", "target")
OWN_QUEUES = {
    "gatehouse-gateway": "gate.g0123456789ab",
    "gatehouse-room": "control.room-0123456789ab.1",
    "gatehouse-history": "control.history-0123456789ab.1",
    "gatehouse-operator": "control.operator-1",
    "healer": "control.operator-2",
    **{login: f"{login}.own" for login in ("robot", "guard", "builds", "audit", "both", "mia", "mia.x")},
}
BINDS = {
    "gatehouse-gateway": {(routes.FANOUT, "gate.g0123456789ab"), (routes.CONTROL, "")},
    "gatehouse-room": {(routes.CONTROL, "")},
    "gatehouse-history": {(routes.CONTROL, "")},
    "gatehouse-operator": {(routes.CONTROL, ""), (routes.PARKED, "#")},
    "healer": {(routes.CONTROL, ""), (routes.PARKED, "#")},
    **{
        login: {(routes.LOG, "room.#"), (routes.LOG, "room.*.general.#")} for login in ("audit", "both", "mia", "mia.x")
    },
}
"""The queue of what is parked and its exchange have one name: who may read the one may bind the other."""
TRIED_BINDINGS = (
    *((exchange, "#") for exchange in (routes.INBOX, routes.COMMANDS, routes.LOG, routes.FANOUT, routes.PARKED)),
    *((routes.LOG, key) for key in ("room.#", "room.*.general.#", "query.#")),
    *((routes.COMMANDS, "room.#"), (routes.FANOUT, "gate.g0123456789ab"), (routes.CONTROL, ""), (routes.QUERIES, "x")),
)


@pytest.fixture
async def owner(amqp_url, management):
    """A login that may everything, where an operator has loaded all definitions."""
    logins = OWN_LOGINS | OUTSIDE
    for name in logins:
        management.create_user(name, "secret")
    management.load(definitions(logins, vhost=management.vhost, shards=routes.DEFAULT_SHARDS))
    login = await BrokerLogin.open(amqp_url)
    channel = await login.channel()
    await channel.queue_declare("target", durable=True)
    yield login
    await login.close()


@pytest.fixture
async def log_in(amqp_url, owner):
    async with AsyncExitStack() as stack:

        async def logged_in(name):
            login = await BrokerLogin.open(url_of(amqp_url, name, "secret"))
            stack.push_async_callback(login.close)
            return login

        yield logged_in


@pytest.fixture
async def witness(owner):
    """Hears everything that any exchange passes on; `arrived` counts it by exchange and key."""
    channel = await owner.channel()
    queue = (await channel.queue_declare(exclusive=True)).queue
    arrived = Counter()

    async def hear(delivery):
        arrived[delivery.exchange, delivery.routing_key, delivery.body] += 1

    for exchange, keys in KEYS.items():
        for key in keys if exchange else ():
            await channel.queue_bind(queue, exchange, "#" if exchange != routes.QUERIES else key)
    await channel.basic_consume(queue, hear, no_ack=True)
    await channel.basic_consume("target", hear, no_ack=True)
    return arrived


def test_the_committed_definitions_hold_the_services_and_no_password():
    committed = json.loads(COMMITTED.read_text())
    assert committed == definitions(OWN_LOGINS, shards=routes.DEFAULT_SHARDS)
    assert "users" not in committed
    assert "password" not in COMMITTED.read_text()


async def test_every_login_writes_what_it_is_for_and_nothing_else(log_in, owner, witness):
    every = {(exchange, key) for exchange, keys in KEYS.items() for key in keys}
    assert WRITES.keys() == (OWN_LOGINS | OUTSIDE).keys()
    for name, meant in WRITES.items():
        login = await log_in(name)
        taken = {place for place in every if await login.may_publish(*place, body=name.encode())}
        assert taken == {(exchange, key) for exchange, keys in meant.items() for key in keys}, name
    await all_heard(owner, witness)
    written = {
        (exchange, key, name) for name, meant in WRITES.items() for exchange, keys in meant.items() for key in keys
    }
    assert {(exchange, key, body.decode()) for exchange, key, body in witness} == written
    assert set(witness.values()) == {1}


async def all_heard(owner, witness):
    """What the owner writes now comes behind all that came before."""
    for exchange, keys in KEYS.items():
        assert await owner.may_publish(exchange, keys[0], body=b"last")
    await eventually(lambda: sum(body == b"last" for _, _, body in witness) == len(KEYS), WAIT)
    for mark in [each for each in witness if each[2] == b"last"]:
        del witness[mark]


async def test_copies_go_nowhere_that_their_sender_may_not_write(log_in, owner, witness):
    builds = await log_in("builds")
    for header in ("CC", "BCC"):
        headers = {header: ["room.10.general.attach"]}
        assert not await builds.may_publish(routes.COMMANDS, SEND, body=b"copied", headers=headers)
    assert await builds.may_publish(routes.COMMANDS, SEND, body=b"plain")
    await all_heard(owner, witness)
    assert set(witness) == {(routes.COMMANDS, SEND, b"plain")}


async def test_every_login_consumes_what_it_is_for_and_nothing_else(log_in):
    async def ignore(_):
        pass

    for name in OWN_LOGINS | OUTSIDE:
        login = await log_in(name)
        taken = {queue for queue in QUEUES if await login.may("basic_consume", queue=queue, consumer_callback=ignore)}
        assert taken == CONSUMES.get(name, set()), name


async def test_every_login_binds_its_own_queue_to_what_it_is_for_and_to_nothing_else(log_in):
    for name, queue in OWN_QUEUES.items():
        login = await log_in(name)
        assert await login.may("queue_declare", queue=queue, exclusive=True), name
        bound = {place for place in TRIED_BINDINGS if await bind(login, queue, *place)}
        assert bound == BINDS.get(name, set()), name


async def bind(login, queue, exchange, key):
    return await login.may("queue_bind", queue=queue, exchange=exchange, routing_key=key)


async def test_no_login_reaches_the_queues_of_another_not_even_of_one_whose_name_goes_on_after_a_dot(log_in, owner):
    """Queues that are not exclusive: nothing but the permissions keeps them."""

    async def ignore(_):
        pass

    channel = await owner.channel()
    queues = {name: f"{name}.own" for name in OUTSIDE if name != "healer"}
    for queue in queues.values():
        await channel.queue_declare(queue, durable=True)
    for name, own_queue in queues.items():
        login = await log_in(name)
        for deed, told in {
            "basic_consume": {"consumer_callback": ignore},
            "queue_bind": {"exchange": routes.LOG, "routing_key": "room.#"},
            "queue_purge": {},
            "queue_delete": {},
        }.items():
            reached = {queue for queue in queues.values() if await login.may(deed, queue=queue, **told)}
            own = {own_queue} if deed != "queue_bind" or "reader" in OUTSIDE[name] else set()
            assert reached == own, (name, deed)
        await channel.queue_declare(own_queue, durable=True)


async def test_no_login_makes_deletes_or_empties_what_is_gatehouses(log_in, management):
    before = (management.queue_names(), len(management.bindings()))
    for name in OWN_LOGINS | OUTSIDE:
        login = await log_in(name)
        assert not await login.may("exchange_declare", exchange="chat.mine", exchange_type="topic"), name
        assert not await login.may("queue_declare", queue="history.shard.99"), name
        for exchange in topology.EXCHANGES:
            assert not await login.may("exchange_delete", exchange=exchange.name), (name, exchange)
        for queue in QUEUES:
            assert not await login.may("queue_delete", queue=queue), (name, queue)
            assert not await login.may("queue_unbind", queue=queue, exchange=routes.LOG, routing_key="room.10.#")
            assert await login.may("queue_purge", queue=queue) == (queue in CONSUMES.get(name, ())), (name, queue)
    assert (management.queue_names(), len(management.bindings())) == before


async def test_nobody_writes_under_the_name_of_another_login(log_in, owner, witness):
    for name in OUTSIDE:
        login = await log_in(name)
        for exchange, keys in WRITES[name].items():
            for key in keys:
                assert not await login.may_say_to_be("gatehouse-gateway", exchange, key, b"not me"), name
    assert await (await log_in("robot")).may_say_to_be("robot", routes.INBOX, "room.general.send", b"me")
    await all_heard(owner, witness)
    assert set(witness) == {(routes.INBOX, "room.general.send", b"me")}
