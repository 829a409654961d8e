"""Many rooms, many senders, every door: each message once, with a text of its own; and people who only listen."""

from __future__ import annotations

import asyncio
from typing import Final

from tests.bed.waiting import eventually
from tests.reliability.callers import HASTY, Caller
from tests.reliability.client import FleetClient
from tests.reliability.workloads.size import Size
from tests.reliability.workloads.world import World

ROOMS_EACH: Final = 2
LATE_REPEATS: Final = 0.1
"""How often one that was accepted long ago is said once more."""
TALKERS: Final = 4
WINDOW: Final = 8
"""Commands that somebody who talks has in flight: while answers stay out they say no more."""
END_SECONDS: Final = 300.0
"""The world is over before that."""


class Senders:
    """`writers` each have one door, so that all doors carry messages at all times."""

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self.rooms = [f"send-{number}" for number in range(size.rooms)]
        self._callers: list[Caller] = []
        self._talkers: list[FleetClient] = []

    async def prepare(self) -> None:
        """Make the rooms; listeners come, some of whom talk."""
        listeners = [f"listener-{number}" for number in range(self._size.listeners)]
        writers = [f"writer-{number}" for number in range(self._size.writers)]
        for number, room in enumerate(self.rooms):
            visibility = "private" if number % 2 else "public"
            await self._world.create(room, [*listeners, *writers], visibility=visibility)
        for number, user in enumerate(listeners):
            shares = [self.rooms[(number + step) % len(self.rooms)] for step in range(ROOMS_EACH)]
            listener = self._world.follower(user, shares)
            if number < TALKERS:
                self._talkers.append(listener)
        doors = list(self._world.doors)
        self._callers = [self._world.caller(user, doors[number % len(doors)]) for number, user in enumerate(writers)]
        self._world.entitled.update(writers)

    async def run(self) -> None:
        """Write until it is time to be quiet."""
        async with asyncio.TaskGroup() as tasks:
            for caller in self._callers:
                tasks.create_task(write(self._world, caller, self.rooms, self._size.pause_seconds))
            for client in self._talkers:
                tasks.create_task(talk(self._world, client, self._size.pause_seconds))


class Repeaters:
    """Senders that hardly wait: a second try goes out, by another door, while the first is on its way. And old commands
    come again, long after they were answered."""

    def __init__(self, world: World, size: Size) -> None:
        self._world = world
        self._size = size
        self.rooms = [f"repeat-{number}" for number in range(size.rooms)]
        self._callers: list[Caller] = []

    async def prepare(self) -> None:
        """Make the rooms; one listener for each."""
        writers = [f"repeater-{number}" for number in range(self._size.writers)]
        for number, room in enumerate(self.rooms):
            await self._world.create(room, [*writers, f"witness-{number}"])
            self._world.follower(f"witness-{number}", [room])
        self._callers = [self._world.caller(user, patience=HASTY) for user in writers]
        self._world.entitled.update(writers)

    async def run(self) -> None:
        """Write, and repeat, until it is time to be quiet."""
        async with asyncio.TaskGroup() as tasks:
            for hasty in self._callers:
                tasks.create_task(
                    write(self._world, hasty, self.rooms, self._size.pause_seconds, late_repeats=LATE_REPEATS)
                )


async def write(
    world: World,
    caller: Caller,
    rooms: list[str],
    pause_seconds: float,
    *,
    late_repeats: float = 0.0,
) -> None:
    """Messages to rooms in turn, as fast as the beat has it and answers come."""
    said: list[tuple[str, str, str]] = []
    async for number in world.beats(pause_seconds):
        if said and world.chance.random() < late_repeats:
            room, command_id, text = world.chance.choice(said)
            await caller.have_done("send", room, command_id, again=True, text=text)
            continue
        room, command_id = rooms[number % len(rooms)], f"{caller.user}-{number}"
        text = text_of(caller.user, command_id)
        await caller.have_done("send", room, command_id, text=text)
        said.append((room, command_id, text))


async def talk(world: World, client: FleetClient, pause_seconds: float) -> None:
    """Messages on the very connection that follows their rooms, where `accepted` stands for one's own event; until all
    of them are, or it is over."""
    async for number in world.beats(pause_seconds):
        if len(client.outstanding) < WINDOW:
            command_id = f"{client.user}-{number}"
            room = client.rooms[number % len(client.rooms)]
            client.wish(command_id, type="send", room=room, text=text_of(client.user, command_id))
    await eventually(lambda: not client.outstanding or world.over.is_set(), END_SECONDS)


def text_of(user: str, command_id: str) -> str:
    """No other message has it."""
    return f"{user} says {command_id}"
