"""One stack for all behaviours, and the three doors into it."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

import pymongo
import pytest_asyncio

from tests.bed.management import Management
from tests.bed.stack import Stack, worker_settings
from tests.conformance.doors import InboxDoor, LinkDoor, NativeDoor, RestDoor

UNHURRIED = {"GATEHOUSE_COMMAND_RATE": "100000", "GATEHOUSE_COMMAND_BURST": "100000"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(broker, store, ports, tmp_path_factory):
    """`[native, rest, inbox]` of a running stack that is there for the whole module."""
    broker.start()
    store.start()
    management = Management(broker.management_url, f"doors-{secrets.token_hex(4)}", urlsplit(broker.url).username)
    management.create_vhost()
    amqp_url, database = broker.url + management.vhost, f"doors_{secrets.token_hex(4)}"
    settings = worker_settings(amqp_url, f"{store.url}/{database}", shards=8, demo=False, environment=UNHURRIED)
    stack = Stack(settings, tmp_path_factory.mktemp("doors"), ports)
    opened = []
    try:
        await stack.start(gates=1, rooms=1, histories=1)
        opened += [NativeDoor(stack), RestDoor(stack), InboxDoor(amqp_url, management)]
        yield opened
    finally:
        for door in opened:
            await door.close()
        await stack.stop()
        management.drop_vhost()
        management.close()
        with pymongo.MongoClient(store.url) as client:
            client.drop_database(database)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def links(doors):
    """REST by share links, on the same stack."""
    door = LinkDoor(doors[0]._stack)
    yield door
    await door.close()
