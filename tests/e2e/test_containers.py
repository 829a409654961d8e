"""Our services as containers of our own image, against a broker and a store that are containers too."""

import asyncio

import pytest

from tests.bed.native import NativeClient
from tests.bed.waiting import eventually

pytestmark = [pytest.mark.broker, pytest.mark.store, pytest.mark.containers, pytest.mark.timeout(300)]


async def test_people_on_two_gates_talk_and_a_killed_room_container_loses_nothing(start_container_stack):
    stack = await start_container_stack(gates=2)
    alice = await NativeClient.open(stack.gates[0].url, stack.token("alice"))
    bob = await NativeClient.open(stack.gates[1].url, stack.token("bob"))
    assert (await alice.ask("create", room="shipped", title="Shipped", members=["bob"]))["seq"] == 1
    for client in (alice, bob):
        assert (await client.ask("attach", room="shipped", echo=True))["type"] == "attached"
    assert (await alice.ask("send", room="shipped", text="before"))["seq"] == 2

    room = stack.rooms[0]
    await asyncio.to_thread(room.container.kill)
    asking = asyncio.create_task(bob.ask("send", room="shipped", text="meanwhile"))
    await asyncio.to_thread(room.container.start)
    await room.ready()
    assert (await asking)["seq"] == 3
    assert (await alice.ask("send", room="shipped", text="after"))["seq"] == 4

    for client in (alice, bob):
        await eventually(lambda client=client: client.seqs("shipped") == [2, 3, 4], 30)
        assert [event["text"] for event in client.events["shipped"]] == ["before", "meanwhile", "after"]
        await client.close()


async def test_every_service_runs_without_being_root(start_container_stack):
    stack = await start_container_stack()
    for service in (*stack.gates, *stack.rooms, *stack.histories):
        assert await asyncio.to_thread(service.container.execute, "id", "-u") != "0"
