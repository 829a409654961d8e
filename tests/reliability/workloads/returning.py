"""Members whose connections are cut again and again, who stay away for moments or for long, talk while they are there,
and come back to everything."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.reliability.client import FleetClient
from tests.reliability.doors.door import Yes
from tests.reliability.workloads.send import talk
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import World

AWAY_SECONDS: Final = (0.1, 20.0)
TALK_LESS: Final = 4
"""How much longer they pause than those who do nothing but write."""


class Returning:
    """Follows `rooms`, which others write to."""

    def __init__(self, world: World, size: Size, rooms: list[str]) -> None:
        self._world = world
        self._size = size
        self._rooms = rooms
        self._names = [f"returning-{number}" for number in range(size.listeners)]
        self._clients: list[FleetClient] = []

    async def prepare(self) -> None:
        """They join, and come."""
        for room in self._rooms:
            for user in self._names:
                told = await self._world.founder.have_done("add", room, f"add-{room}-{user}", user=user)
                assert isinstance(told, Yes), told
        self._world.restless.update(self._names)
        self._clients = [self._world.follower(user, self._rooms) for user in self._names]

    async def run(self) -> None:
        """Go and come until it is time to be quiet; then every other one goes for good."""
        async with asyncio.TaskGroup() as tasks:
            for client in self._clients:
                tasks.create_task(self._go_and_come(client))
                tasks.create_task(talk(self._world, client, self._size.pause_seconds * TALK_LESS))
        for client in self._clients[1::2]:
            self._world.send_home(client)

    async def _go_and_come(self, client: FleetClient) -> None:
        async for _ in self._world.beats(self._size.pause_seconds * 20):
            client.stay_away(self._world.chance.uniform(*AWAY_SECONDS))
        client.come_back()
