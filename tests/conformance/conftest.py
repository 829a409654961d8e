"""One stack for all behaviours, and the three doors into it."""

from __future__ import annotations

import pytest_asyncio

from tests.bed.standing import standing_stack
from tests.conformance.doors import InboxDoor, LinkDoor, NativeDoor, RestDoor

UNHURRIED = {"GATEHOUSE_COMMAND_RATE": "100000", "GATEHOUSE_COMMAND_BURST": "100000"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def doors(broker, store, ports, tmp_path_factory):
    """`[native, rest, inbox]` of a running stack that is there for the whole module."""
    folder = tmp_path_factory.mktemp("doors")
    async with standing_stack(broker, store, ports, folder, environment=UNHURRIED) as (stack, management):
        opened = [NativeDoor(stack), RestDoor(stack), InboxDoor(stack.amqp_url, management)]
        yield opened
        for door in opened:
            await door.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def links(doors):
    """REST by share links, on the same stack."""
    door = LinkDoor(doors[0]._stack)
    yield door
    await door.close()
