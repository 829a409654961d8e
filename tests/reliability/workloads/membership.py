"""Rooms whose members change all the time, while they write: they are added, kicked and banned, join and leave by
themselves, and race for invites; and those who were sent out, and strangers, who try to look in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import httpx

from tests.bed.management import NO_TLS
from tests.reliability.callers import Caller
from tests.reliability.checks.secrecy import Look
from tests.reliability.doors.door import Yes
from tests.reliability.workloads.peeking import Greeting, Peeker
from tests.reliability.workloads.send import text_of, write
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import FOUNDER, World

GUESTS: Final = 4
STRANGERS: Final = 2
INSISTS_AFTER_SECONDS: Final = (0.3, 1.2)
EXILES_INSIST_AFTER_SECONDS: Final = (1.0, 4.0)
RULING_DOORS: Final = ("websocket", "rest")
DEEDS: Final = ("add", "add", "add", "kick", "ban", "unban")
"""What the ruling do to a guest, at random: most of it is refused for good, because it is so already."""
KICKED, BANNED, LEFT = EXILES = ("kicked", "banned", "left")
"""Members who go at once, each in their way, and are never let in again."""
USES: Final = (1, 2)
"""So many may join by an invite; many more try, all at the same time."""
INVITES_SECONDS: Final = 3.0
LAST_LOOK_SECONDS: Final = 20.0
LOOKS_AT_ONCE: Final = 12


class Comings:
    """Two rule each room at the same time and know nothing of each other. `seconds` says how long it all went on."""

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self._private = [f"private-{number}" for number in range(max(1, size.rooms // 2))]
        self._open = ["open-0"]
        self.rooms = [*self._private, *self._open]
        self.seconds = 0.0
        self._guests = [f"guest-{number}" for number in range(GUESTS)]
        self._writing: list[Caller] = []
        self._ruling: list[Caller] = []
        self._exiles: dict[str, Caller] = {}
        self._peeking: list[Peeker] = []
        self._staying: list[Peeker] = []
        self._greetings: dict[str, Greeting] = {}

    async def prepare(self) -> None:
        """Make the rooms; a second ruler, the guests, and one who stays and must have everything."""
        for room in self._private:
            await self._world.create(room, ["deputy", "resident", *EXILES, *self._guests], visibility="private")
        for room in self._open:
            await self._world.create(room, ["deputy", "resident", *self._guests])
        for room in self.rooms:
            told = await self._world.founder.have_done("set_role", room, f"role-{room}", user="deputy", role="admin")
            assert isinstance(told, Yes), told
            await self._greet(room)
        self._world.follower("resident", self.rooms)
        for user in self._guests:
            self._world.guest(user, self.rooms, INSISTS_AFTER_SECONDS)
            self._writing.append(self._world.caller(user))
        for user in EXILES:
            self._world.guest(user, self._private, EXILES_INSIST_AFTER_SECONDS)
            self._exiles[user] = self._world.caller(user)
        self._ruling = [self._world.caller(user, *RULING_DOORS, role="ruler") for user in (FOUNDER, "deputy")]
        strangers = [f"stranger-{number}" for number in range(STRANGERS)]
        self._peeking = [Peeker(self._world, user, self._greetings) for user in (*strangers, *EXILES, *self._guests)]
        self._staying = [Peeker(self._world, user, self._greetings) for user in (FOUNDER, "resident")]

    async def _greet(self, room: str) -> None:
        command_id = f"greeting-{room}"
        text = text_of(FOUNDER, command_id)
        told = await self._world.founder.have_done("send", room, command_id, text=text)
        assert isinstance(told, Yes), told
        assert told.seq is not None
        self._greetings[room] = Greeting(told.epoch, told.seq)

    async def run(self) -> None:
        """Come and go until it is time to be quiet."""
        pause = self._size.pause_seconds
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_time())
            for room in self._private:
                tasks.create_task(self._send_out(room))
            for ruler in self._ruling:
                tasks.create_task(self._rule(ruler, pause))
                tasks.create_task(self._invite(ruler, pause * 6))
            for guest in self._writing:
                tasks.create_task(write(self._world, guest, self.rooms, pause * 2))
                tasks.create_task(self._leave(guest, pause * 8))
                tasks.create_task(self._join(guest, pause * 4))
            for peeker in self._peeking:
                tasks.create_task(self._peek(peeker, pause * 2))

    async def _keep_time(self) -> None:
        """What is left to settle afterwards does not count."""
        began = time.monotonic()
        await self._world.quiet.wait()
        self.seconds = time.monotonic() - began

    async def _send_out(self, room: str) -> None:
        ruler, leaver = self._ruling[0], self._exiles[LEFT]
        await ruler.have_done("kick", room, f"{ruler.user}-exile-{room}", user=KICKED)
        await ruler.have_done("ban", room, f"{ruler.user}-banish-{room}", user=BANNED)
        await leaver.have_done("leave", room, f"{leaver.user}-leave-{room}")

    async def _rule(self, ruler: Caller, pause_seconds: float) -> None:
        async for number in self._world.beats(pause_seconds):
            deed, room = self._world.chance.choice(DEEDS), self._world.chance.choice(self.rooms)
            guest = self._world.chance.choice(self._guests)
            await ruler.have_done(deed, room, f"{ruler.user}-{deed}-{number}", user=guest)

    async def _leave(self, guest: Caller, pause_seconds: float) -> None:
        async for number in self._world.beats(pause_seconds):
            room = self._world.chance.choice(self.rooms)
            await guest.have_done("leave", room, f"{guest.user}-leave-{number}")

    async def _join(self, guest: Caller, pause_seconds: float) -> None:
        async for number in self._world.beats(pause_seconds):
            room = self._world.chance.choice(self._open)
            await guest.have_done("join", room, f"{guest.user}-join-{number}")

    async def _invite(self, ruler: Caller, pause_seconds: float) -> None:
        """Make an invite; all who are out, and one who is banned for good, try it at the same time."""
        async for number in self._world.beats(pause_seconds):
            room, name = self._world.chance.choice(self._private), f"{ruler.user}-invite-{number}"
            await ruler.have_done("invite", room, name, max_uses=self._world.chance.choice(USES))
            async with asyncio.TaskGroup() as race:
                for invite in await self._invites_to(room):
                    for guest in (*self._writing, self._exiles[BANNED]):
                        command_id = f"{guest.user}-by-{name}-{invite[-8:]}"
                        race.create_task(guest.have_done("join", room, command_id, invite=invite))

    async def _invites_to(self, room: str) -> list[str]:
        """Those that may still let somebody in; none where a gate does not tell."""
        headers = {"Authorization": f"Bearer {self._world.token_of(FOUNDER)}"}
        url = f"{self._world.chance.choice(self._world.gates)}/chat/{room}/invites"
        try:
            async with httpx.AsyncClient(trust_env=False, verify=NO_TLS, timeout=INVITES_SECONDS) as http:
                answer = await http.get(url, headers=headers)
        except httpx.HTTPError:
            return []
        told = answer.json()["invites"] if answer.is_success else []
        return [each["invite"] for each in told if each["uses"] < each["max_uses"]]

    async def _peek(self, peeker: Peeker, pause_seconds: float) -> None:
        async for _ in self._world.beats(pause_seconds):
            await peeker.look_into(self._world.chance.choice(self._private))

    async def look_everywhere(self) -> Sequence[Look]:
        """When all is over: everybody, into each private room, by each way."""
        places = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def look(peeker: Peeker, room: str, way: str) -> Look:
            async with places:
                return await peeker.last_look(room, way, LAST_LOOK_SECONDS)

        return await asyncio.gather(
            *(
                look(peeker, room, way)
                for peeker in (*self._staying, *self._peeking)
                for room in self._private
                for way in peeker.ways
            )
        )
