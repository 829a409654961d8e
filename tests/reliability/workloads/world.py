"""What all workloads share: the gates, the doors, chance, everybody's journals, and when it is time to be quiet."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any

from services.runtime.broker import wait_or
from tests.reliability.callers import CALM, Caller, Patience
from tests.reliability.client import FleetClient
from tests.reliability.doors.door import Door, Yes
from tests.reliability.doors.websocket import SocketDoor
from tests.reliability.journal import Entry

FOUNDER = "founder"
FIRST_TRIES_SECONDS = 60


class World:
    """`quiet` ends the traffic; `over` ends also what has not come to its end by then.

    Attributes:
        followers: clients that follow rooms all the time, and must have every event.
        restless: those of the followers who are away most of the time.
        gone: followers who went for good.
        guests: clients that come and go as they are let.
        callers: users who say commands.
        founder: the owner of all rooms.
        entitled: those who may do all that they ask for.
        founders: the first members of each room; `private` are the rooms that nobody else may look into.
    """

    def __init__(
        self, gates: Sequence[str], token_of: Callable[[str], str], doors: Mapping[str, Door], chance: Random
    ) -> None:
        self.gates = gates
        self.token_of = token_of
        self.doors = doors
        self.chance = chance
        self.quiet = asyncio.Event()
        self.over = asyncio.Event()
        self.followers: list[FleetClient] = []
        self.restless: set[str] = set()
        self.gone: list[FleetClient] = []
        self.guests: list[FleetClient] = []
        self.callers: list[Caller] = []
        self.entitled: set[str] = set()
        self.founders: dict[str, frozenset[str]] = {}
        self.private: set[str] = set()
        self.founder = self.caller(FOUNDER, "websocket")
        self._lives: list[asyncio.Task[None]] = []

    # People.

    def caller(self, user: str, *doors: str, patience: Patience = CALM, role: str = "") -> Caller:
        """Somebody who says commands, through these doors or through all; one user may do so in several roles."""
        chosen = [self.doors[name] for name in doors or self.doors]
        for door in chosen:
            door.know(user)
        chance = Random(f"{user} {role} {self.chance.random()}")
        made = Caller(user, chosen, chance, self.over, patience=patience)
        self.callers.append(made)
        return made

    def follower(self, user: str, rooms: Sequence[str]) -> FleetClient:
        """Somebody who follows rooms from now on."""
        self.followers.append(self._client(user, rooms))
        return self.followers[-1]

    def guest(self, user: str, rooms: Sequence[str], insists_after: tuple[float, float]) -> FleetClient:
        """Somebody who tries to follow rooms, and tries again when sent away."""
        self.guests.append(self._client(user, rooms, insists_after=insists_after))
        return self.guests[-1]

    def send_home(self, follower: FleetClient) -> None:
        """They go for good."""
        follower.end()
        self.followers.remove(follower)
        self.gone.append(follower)

    def _client(self, user: str, rooms: Sequence[str], **options: Any) -> FleetClient:
        client = FleetClient(
            user, self.token_of(user), rooms, self.gates, self.chance.randrange(len(self.gates)), **options
        )
        self._lives.append(asyncio.create_task(client.live()))
        return client

    async def create(self, room: str, members: Iterable[str], *, visibility: str = "public") -> None:
        """Make a room with these members and the founder.

        Raises:
            AssertionError: it cannot be made.
        """
        people = [user for user in dict.fromkeys(members) if user != FOUNDER]
        async with asyncio.timeout(FIRST_TRIES_SECONDS):
            told = await self.founder.have_done(
                "create", room, f"create-{room}", title=room, visibility=visibility, members=people
            )
        assert isinstance(told, Yes), f"{room} cannot be made: {told}"
        self.founders[room] = frozenset({*people, FOUNDER})
        if visibility == "private":
            self.private.add(room)

    async def ask(self, user: str, frame: Mapping[str, Any], within_seconds: float) -> dict[str, Any]:
        """Send any frame by WebSocket; the one that answers it.

        Raises:
            NoAnswer: nothing was heard in time.
        """
        door = self.doors["websocket"]
        assert isinstance(door, SocketDoor)
        return await door.ask(user, frame, within_seconds)

    # Time.

    async def beats(self, pause_seconds: float) -> AsyncIterator[int]:
        """1, 2, 3 ... with such a pause in the mean, until it is time to be quiet."""
        number = 0
        while not await wait_or(self.quiet, self.chance.uniform(0, 2 * pause_seconds)):
            number += 1
            yield number

    # The end.

    def journals(self) -> dict[str, list[Entry]]:
        """What everybody asked and was told, by user; whoever had several journals has them one behind the other."""
        told: dict[str, list[Entry]] = {}
        for one in (*self.callers, *self.followers, *self.gone, *self.guests):
            told.setdefault(one.user, []).extend(one.journal)
        for user, heard in self.overheard().items():
            told.setdefault(user, []).extend(heard)
        return told

    def overheard(self) -> dict[str, list[Entry]]:
        """What everybody was told on connections that attach to nothing, and did not ask for."""
        told: dict[str, list[Entry]] = defaultdict(list)
        for door in self.doors.values():
            for user, journal in door.overheard.journals.items():
                told[user] += journal
        return told

    def outstanding(self) -> dict[str, set[str]]:
        """The commands of each user that have not come to their end."""
        left: dict[str, set[str]] = defaultdict(set)
        for caller in self.callers:
            left[caller.user] |= caller.outstanding
        for client in (*self.followers, *self.gone):
            left[client.user] |= client.outstanding.keys()
        return left

    async def go_home(self) -> None:
        """Everybody hangs up."""
        self.quiet.set()
        self.over.set()
        for client in (*self.followers, *self.guests):
            client.end()
        for life in await asyncio.gather(*self._lives, return_exceptions=True):
            if isinstance(life, Exception):
                raise life
        for door in self.doors.values():
            await door.close()
