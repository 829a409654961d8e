"""Members who write, read, and say how far they have read; in the end everybody's unread messages are counted."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.reliability.callers import Caller
from tests.reliability.doors.door import Yes
from tests.reliability.workloads.send import text_of
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import World

DOORS: Final = ("websocket", "rest")
READERS: Final = 6


class Readers:
    """Each marks what was accepted in the room by then, whoever wrote it."""

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self.rooms = [f"read-{number}" for number in range(2)]
        self._tops = dict.fromkeys(self.rooms, 1)
        self.users = [f"reader-{number}" for number in range(READERS)]
        self._callers: list[Caller] = []

    async def prepare(self) -> None:
        """Make the rooms."""
        for room in self.rooms:
            await self._world.create(room, self.users)
        self._callers = [self._world.caller(user, *DOORS) for user in self.users]
        self._world.entitled.update(self.users)

    async def run(self) -> None:
        """Write and mark until it is time to be quiet."""
        async with asyncio.TaskGroup() as tasks:
            for caller in self._callers:
                tasks.create_task(self._live(caller))

    async def _live(self, reader: Caller) -> None:
        async for number in self._world.beats(self._size.pause_seconds * 1.5):
            room = self._world.chance.choice(self.rooms)
            command_id = f"{reader.user}-{number}"
            if number % 3 == 0:
                told = await reader.have_done("send", room, command_id, text=text_of(reader.user, command_id))
                if isinstance(told, Yes) and told.seq is not None:
                    self._tops[room] = max(self._tops[room], told.seq)
            else:
                verb = "mark_read" if number % 3 == 1 else "mark_delivered"
                upto = self._world.chance.randint(max(1, self._tops[room] - 3), self._tops[room])
                await reader.have_done(verb, room, command_id, seq=upto)
