"""Private rooms whose members change all the time, while they write; and strangers who try to look in."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.reliability.callers import Caller
from tests.reliability.doors import Yes
from tests.reliability.workloads.peeking import Peeker
from tests.reliability.workloads.send import write
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import World

GUESTS: Final = 4
STRANGERS: Final = 2
INSISTS_AFTER_SECONDS: Final = (0.3, 1.2)
RULING_DOORS: Final = ("websocket", "rest")
DEEDS: Final = ("add", "add", "add", "kick", "ban", "unban")
"""What the ruling do to a guest, at random: most of it is refused for good, because it is so already."""


class Comings:
    """Two rule each room at the same time and know nothing of each other; guests also leave by themselves."""

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self.rooms = [f"private-{number}" for number in range(max(1, size.rooms // 2))]
        self._guests = [f"guest-{number}" for number in range(GUESTS)]
        self._writing: list[Caller] = []
        self._ruling: list[Caller] = []
        self._peeking: list[Peeker] = []

    async def prepare(self) -> None:
        """Make the rooms; a second ruler, the guests, and one who stays and must have everything."""
        for room in self.rooms:
            await self._world.create(room, ["deputy", "resident", *self._guests], visibility="private")
            told = await self._world.founder.have_done("set_role", room, f"role-{room}", user="deputy", role="admin")
            assert isinstance(told, Yes), told
        self._world.follower("resident", self.rooms)
        for user in self._guests:
            self._world.guest(user, self.rooms, INSISTS_AFTER_SECONDS)
            self._writing.append(self._world.caller(user))
        self._ruling = [self._world.caller(user, *RULING_DOORS, role="ruler") for user in ("founder", "deputy")]
        strangers = [f"stranger-{number}" for number in range(STRANGERS)]
        self._peeking = [Peeker(self._world, user) for user in (*strangers, *self._guests)]

    async def run(self) -> None:
        """Come and go until it is time to be quiet."""
        pause = self._size.pause_seconds
        async with asyncio.TaskGroup() as tasks:
            for ruler in self._ruling:
                tasks.create_task(self._rule(ruler, pause))
            for guest in self._writing:
                tasks.create_task(write(self._world, guest, self.rooms, pause * 2))
                tasks.create_task(self._leave(guest, pause * 8))
            for peeker in self._peeking:
                tasks.create_task(self._peek(peeker, pause * 2))

    async def _rule(self, ruler: Caller, pause_seconds: float) -> None:
        async for number in self._world.beats(pause_seconds):
            deed, room = self._world.chance.choice(DEEDS), self._world.chance.choice(self.rooms)
            guest = self._world.chance.choice(self._guests)
            await ruler.have_done(deed, room, f"{ruler.user}-{deed}-{number}", user=guest)

    async def _leave(self, guest: Caller, pause_seconds: float) -> None:
        async for number in self._world.beats(pause_seconds):
            room = self._world.chance.choice(self.rooms)
            await guest.have_done("leave", room, f"{guest.user}-leave-{number}")

    async def _peek(self, peeker: Peeker, pause_seconds: float) -> None:
        async for _ in self._world.beats(pause_seconds):
            await peeker.look_into(self._world.chance.choice(self.rooms))
