"""Gates that share one port: the kernel spreads connections over them, and a gate that goes down takes no more."""

from __future__ import annotations

import signal
from collections import Counter
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from tests.bed.native import NativeClient
from tests.bed.ports import listens
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.stack]

HOST = "127.0.0.1"
CONNECTIONS = 40
"""So many that all of them at one of two gates is as good as impossible."""


async def gates_of(stack, url: str, leaving: AsyncExitStack) -> Counter[str]:
    """Open connections there, and count the gates that took them."""
    token = stack.token("alice")
    clients = [await NativeClient.open(url, token) for _ in range(CONNECTIONS)]
    for client in clients:
        leaving.push_async_callback(client.close)
    return Counter([(await client.welcome)["gate"] for client in clients])


async def test_gates_share_a_port_and_one_that_drains_takes_no_new_connection_there(start_stack, ports):
    port = ports.take()
    stack = await start_stack(gates=2, environment={"GATEHOUSE_SHARED_PORT": str(port)})
    shared = f"http://{HOST}:{port}"
    async with AsyncExitStack() as leaving:
        [first], [second] = [await gates_of(stack, gate.url, leaving) for gate in stack.gates]

        async def both_take() -> bool:
            return (await gates_of(stack, shared, leaving)).keys() == {first, second}

        await eventually(both_take, 20, "both gates take connections from the shared port")
        stack.gates[0].signal(signal.SIGTERM)
        await eventually(
            lambda: not listens(urlsplit(stack.gates[0].url).port), what="the gate that drains listens no more"
        )
        assert await gates_of(stack, shared, leaving) == {second: CONNECTIONS}
    await eventually(lambda: not stack.gates[0].alive(), 20, "the gate ends on SIGTERM")
