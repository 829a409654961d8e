"""The fixtures every test may use; what they are made of is in tests/bed."""

import asyncio
import secrets
import sys
from urllib.parse import urlsplit

import hypothesis
import pymongo
import pytest

from infra.images import ensure_image, present_image
from infra.testbed import Bed, present_bed
from tests.bed.broker import ContainerBroker, LocalBroker
from tests.bed.container_stack import ContainerStack
from tests.bed.containers import Network
from tests.bed.management import Management
from tests.bed.ports import Ports
from tests.bed.stack import Stack, worker_settings
from tests.bed.store import ContainerStore, LocalStore

OUTCOME = pytest.StashKey[bool]()

# How long an example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("suite")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        item.stash[OUTCOME] = True
    return report


def pytest_addoption(parser):
    parser.addoption("--rewrite", action="store_true", help="write what the cores say now into tests/traces/*.txt")


def pytest_report_header(config):
    return f"test bed: {present_bed()}"


@pytest.fixture(scope="session")
def bed():
    """Bed.CONTAINERS or Bed.LOCAL, for the whole session."""
    return present_bed()


@pytest.fixture(scope="session")
def ports():
    """`take()` hands out a port nobody else in this session gets."""
    return Ports()


@pytest.fixture(scope="session")
def network(bed):
    """The containers' network; None on the local bed."""
    if bed is Bed.LOCAL:
        yield None
        return
    made = Network()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def broker(bed, network, ports, tmp_path_factory):
    """The session's RabbitMQ: url, management_url, start, stop, kill, restart. A test may leave it stopped."""
    if bed is Bed.LOCAL:
        made = LocalBroker(tmp_path_factory.mktemp("broker"), ports)
    else:
        made = ContainerBroker(ensure_image("rabbitmq"), network, ports)
    try:
        made.start()
        yield made
    finally:
        made.discard()


@pytest.fixture(scope="session")
def store(bed, network, ports, tmp_path_factory):
    """The session's store: url, start, stop, kill, restart. A test may leave it stopped."""
    if bed is Bed.LOCAL:
        made = LocalStore(tmp_path_factory.mktemp("store"), ports)
    else:
        made = ContainerStore(ensure_image("store"), network, ports)
    try:
        made.start()
        yield made
    finally:
        made.discard()


@pytest.fixture
def management(broker):
    """The management API, bound to this test's own fresh virtual host."""
    broker.start()
    made = Management(broker.management_url, f"test-{secrets.token_hex(4)}", urlsplit(broker.url).username)
    made.create_vhost()
    yield made
    broker.start()
    made.drop_vhost()
    made.close()


@pytest.fixture
def amqp_url(broker, management):
    """This test's own virtual host with full permissions."""
    return broker.url + management.vhost


@pytest.fixture
def mongo_url(store):
    """This test's own database, dropped afterwards."""
    store.start()
    name = f"test_{secrets.token_hex(4)}"
    yield f"{store.url}/{name}"
    store.start()
    with pymongo.MongoClient(store.url) as client:
        client.drop_database(name)


@pytest.fixture
async def start_stack(request, amqp_url, mongo_url, ports, tmp_path):
    """Start our services as processes: `stack = await start_stack(gates=2)`; SIGTERM at the end, within a bound.

    `environment` overrides what the services are told, `own_amqp_urls` how a kind of them logs in at the broker. The
    logs are printed when the test fails.
    """
    stacks = []

    async def start(gates=1, rooms=1, histories=1, **told):
        settings = worker_settings(amqp_url, mongo_url, **told)
        stack = Stack(settings, tmp_path / f"stack-{len(stacks) + 1}", ports)
        stacks.append(stack)
        await stack.start(gates, rooms, histories)
        return stack

    yield start
    _print_logs(request, stacks)
    for stack in stacks:
        await stack.stop()


@pytest.fixture
async def start_container_stack(request, bed, broker, store, network, ports, management, mongo_url):
    """Start our services as containers of our own image: `stack = await start_container_stack(gates=2)`."""
    if bed is Bed.LOCAL:
        pytest.skip("wants containers, and the test bed is local")
    image = present_image("gatehouse") or await asyncio.to_thread(ensure_image, "gatehouse")
    stacks = []

    async def start(gates=1, rooms=1, histories=1, *, shards=8, demo=False, environment=None):
        database = mongo_url.rpartition("/")[2]
        settings = worker_settings(
            broker.inner_url + management.vhost,
            f"{store.inner_url}/{database}",
            shards=shards,
            demo=demo,
            environment=environment or {},
        )
        stack = ContainerStack(image, network, ports, settings)
        stacks.append(stack)
        await stack.start(gates, rooms, histories)
        return stack

    yield start
    _print_logs(request, stacks)
    for stack in stacks:
        await asyncio.to_thread(stack.stop)


def _print_logs(request, stacks):
    """Shown by pytest as the captured output of a failed test's teardown."""
    if request.node.stash.get(OUTCOME, False):
        for stack in stacks:
            sys.stdout.write(stack.logs())
