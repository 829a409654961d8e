"""What a shard does while the log refuses: it proves the log again and again, and lets nobody wait for it in vain.

A first try is refused with `overloaded` at once, a possible repeat with `no_answer`. How long a command may wait for
its refusal at most: `broker_timeout_seconds`, when a log says nothing at all and the term before had to find that out
(a log that says no is known at once), and FIRST_PROOF_SECONDS; and that for each worker in the shard's line, because
each finds out for itself.

What is refused for good must not come again: it is acked first, then its sender hears so, both over one connection and
in that order. Whatever breaks between the two is silence.

Deliveries without a reply address, garbage, and what gates say of their sessions are kept: they go back to the queue
in their order when the channel closes. Where as many are kept as the channel takes, the shard stands still, and its
queue fills up until the broker refuses more.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from aiormq.abc import DeliveredMessage
from aiormq.channel import Channel
from pamqp import commands

from schemas import routes
from schemas.answers import Refused
from schemas.commands import GATE_VERBS
from schemas.errors import Code
from schemas.ids import CommandId, RoomId, UserId
from schemas.queries import LookupQuery
from services.room.deliveries import reply_address
from services.room.effects import Reply
from services.room.orders import Misfit, read_command
from services.room.place import Place
from services.room.surroundings import Surroundings
from services.runtime.broker import (
    LONGEST_PAUSE_SECONDS,
    NotConfirmed,
    is_cancelled,
    key_at,
    publish_patiently,
    tag_of,
    wait_or,
)

log = structlog.get_logger()

KEPT_AT_MOST: Final = 1_000
"""The prefetch of a channel that sheds."""
FIRST_PROOF_SECONDS: Final = 1.0
"""A log that says nothing for so long counts as one that refuses."""
NOBODY: Final = "nobody"
"""A queue that does not exist: the answer goes nowhere, but the query is one that history can settle."""
PROBE: Final = (UserId("gatehouse"), CommandId("log-probe"))


class Shedding:
    """On one channel of one shard, after an event or a query of `room` was not confirmed. `run` once. The outlet must
    have its channel on the same connection."""

    def __init__(self, shard: int, room: RoomId, channel: Channel, around: Surroundings) -> None:
        self._shard = shard
        self._room = room
        self._channel = channel
        self._around = around
        self._place = Place(shard, channel, around)
        self._ending = asyncio.Event()
        self._is_over = False
        self.active_since: float | None = None

    @property
    def is_consuming(self) -> bool:
        """The shard's consumer stands in line at the broker."""
        return self._place.is_held

    async def run(self, pause_seconds: float) -> bool:
        """Refuse until the log takes something, or until `end`; True: it takes. One that takes at once is not even
        consumed for. `pause_seconds` lie before the second proof, and more before each one after it.

        Raises:
            NotConfirmed: the channel is gone.
            ExceptionGroup: of ChannelLost, or what the broker's driver raises.
        """
        if await self._log_takes(min(FIRST_PROOF_SECONDS, self._around.settings.broker_timeout_seconds)):
            return True
        log.warning("shard_sheds", shard=self._shard, room=self._room)
        async with asyncio.TaskGroup() as tasks:
            watching, refusing = tasks.create_task(self._place.watch()), tasks.create_task(self._refuse())
            await self._place.take()
            taken = await self._prove(pause_seconds)
            await self._refuse_no_more(refusing)
            watching.cancel()
        log.info("shard_sheds_no_more", shard=self._shard, log_takes=taken)
        return taken

    def end(self) -> None:
        """Leave it to others."""
        self._ending.set()

    async def _prove(self, pause_seconds: float) -> bool:
        while not await wait_or(self._ending, pause_seconds):
            if await self._log_takes(self._around.settings.broker_timeout_seconds):
                return True
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        return False

    async def _log_takes(self, timeout_seconds: float) -> bool:
        """A query nobody waits for is harmless."""
        actor, command_id = PROBE
        query = LookupQuery(room=self._room, actor=actor, command_id=command_id)
        properties = commands.Basic.Properties(content_type="application/json", reply_to=NOBODY, correlation_id=NOBODY)
        key, body = routes.query_key(self._room), query.to_json()
        try:
            await publish_patiently(self._channel, routes.LOG, key, body, properties, timeout_seconds=timeout_seconds)
        except NotConfirmed:
            if self._channel.is_closed:
                raise
            return False
        return True

    async def _refuse(self) -> None:
        while not (self._is_over or is_cancelled()):
            await self._place.stirred.wait()
            self._place.stirred.clear()
            while self._place.arrived and not self._is_over:
                await self._receive(self._place.arrived.popleft())

    async def _refuse_no_more(self, refusing: asyncio.Task[None]) -> None:
        """What is being refused now hears of it, where the way out is open; all others go back to the queue."""
        self._is_over = True
        self._place.stirred.set()
        await asyncio.wait([refusing], timeout=self._around.settings.broker_timeout_seconds)
        refusing.cancel()

    async def _receive(self, delivery: DeliveredMessage) -> None:
        if self.active_since is None:
            self.active_since = time.monotonic()
            self._around.note_change()
        key = key_at(routes.COMMANDS, delivery)
        if routes.is_census_key(key):
            await self._settle(delivery)
            return
        command, address = read_command(key, delivery.body), reply_address(delivery)
        if address is None or isinstance(command, Misfit) or command.type in GATE_VERBS:
            return
        code = Code.NO_ANSWER if command.retry or delivery.redelivered else Code.OVERLOADED
        self._around.metrics.count_command(command.type, code.value)
        refused = Refused.of(code, command_id=command.command_id)
        await self._settle(delivery)
        await self._around.outlet.send([Reply(address, refused)])

    async def _settle(self, delivery: DeliveredMessage) -> None:
        await self._channel.basic_ack(tag_of(delivery), wait=False)
