"""One shard of this worker: a term after the other, each on a channel of its own, with everything forgotten between;
and where the log refused, shedding until it takes something again.

Never `basic.cancel`: the broker may wake the successor while deliveries are in progress. A channel is closed instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from typing import Final

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import ChannelClosed

from schemas.ids import RoomId
from services.room.place import ChannelLost
from services.room.shedding import KEPT_AT_MOST, Shedding
from services.room.surroundings import Surroundings
from services.room.term import Term
from services.runtime.broker import (
    BROKER_ERRORS,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    NotConfirmed,
    Patience,
    driver_of,
    is_blocked,
    is_cancelled,
    open_channel,
    raise_if_cancelled,
    wait_or,
)

log = structlog.get_logger()

LONG_TERM_SECONDS: Final = 30.0
"""A term that lasted this long ended by mischance; the next begins without a longer pause."""


class ChannelStuck(ConnectionError):
    """The broker did not confirm the end of a channel: only the end of the connection frees the shard."""


class Shard:
    """Owns the terms of one shard on one connection. `term` and `shedding` are what goes on now, at most one."""

    def __init__(self, number: int, connection: AbstractConnection, around: Surroundings) -> None:
        self._connection = connection
        self._around = around
        self._stopping = asyncio.Event()
        self.number = number
        self.term: Term | None = None
        self.shedding: Shedding | None = None

    @property
    def active_since(self) -> float | None:
        """When the broker made this worker the shard's active one; None: it did not, as far as is known."""
        work = self.term or self.shedding
        return work.active_since if work is not None else None

    @property
    def is_consuming(self) -> bool:
        """A consumer of this worker stands in the shard's line."""
        work = self.term or self.shedding
        return work is not None and work.is_consuming

    @property
    def is_ready(self) -> bool:
        """This worker could write the shard, were it given it."""
        return self.term is not None and self.term.is_consuming

    async def serve(self) -> None:
        """Work until `drain`; every failure of a term but a stuck channel ends in the next term.

        Raises:
            ChannelStuck: the connection must go.
        """
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            await self._sit_out_alarm()
            began = time.monotonic()
            try:
                await self._serve_term(pause)
            except ChannelStuck:
                raise
            except Exception as ended:  # noqa: BLE001 - the outermost loop of a shard: forget, and start again
                self._note_end(ended)
                raise_if_cancelled()
                pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > LONG_TERM_SECONDS else pause
                await wait_or(self._stopping, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                raise_if_cancelled()

    def drain(self) -> None:
        """End the present term when what is in progress is out; begin no other."""
        self._stopping.set()
        if self.term is not None:
            self.term.drain()
        if self.shedding is not None:
            self.shedding.end()

    def give_up(self) -> None:
        """Leave the shard to the next in its line, when what is in progress is out, and stand in line again."""
        if self.term is not None and not self.term.is_draining:
            log.info("shard_given_up", shard=self.number)
            self._around.metrics.shards_given_up.inc()
            self.term.drain()

    async def _sit_out_alarm(self) -> None:
        """Begin nothing that the broker would not hear of."""
        driver = driver_of(self._connection)
        while is_blocked(driver) and not await wait_or(self._stopping, FIRST_PAUSE_SECONDS):
            pass

    async def _serve_term(self, pause_seconds: float) -> None:
        """First of all, where the log refused before, let it prove itself: each term that fails would bring every
        delivery in progress nearer to the broker's delivery limit."""
        room = self._around.doubts.get(self.number)
        if room is not None and not await self._shed(room, pause_seconds):
            return
        async with self._channel(self._around.settings.prefetch) as channel:
            self.term = Term(self.number, channel, self._around)
            try:
                if not self._stopping.is_set():
                    await self.term.run()
            finally:
                self._keep_doubt(self.term)
                self.term = None
                self._around.note_change()

    async def _shed(self, room: RoomId, pause_seconds: float) -> bool:
        async with self._channel(KEPT_AT_MOST) as channel:
            self.shedding = Shedding(self.number, room, channel, self._around)
            try:
                taken = not self._stopping.is_set() and await self.shedding.run(pause_seconds)
            finally:
                self.shedding = None
        if taken:
            self._around.doubts.pop(self.number, None)
        return taken

    @contextlib.asynccontextmanager
    async def _channel(self, prefetch: int) -> AsyncIterator[Channel]:
        channel = await open_channel(self._connection, confirms=True, prefetch=prefetch)
        try:
            yield channel
        finally:
            await self._close(channel)

    def _keep_doubt(self, term: Term) -> None:
        if term.unconfirmed_room is not None:
            self._around.doubts[self.number] = term.unconfirmed_room

    async def _close(self, channel: Channel) -> None:
        """An alarm makes it last: the connection, and with it all other shards, need not go for that. But who is to
        end now waits no longer than ever."""
        seconds = self._around.settings.broker_timeout_seconds
        ending = is_cancelled() or self._stopping.is_set()
        try:
            async with asyncio.timeout(seconds) if ending else Patience(channel, seconds):
                await channel.close(ChannelClosed(None, "the shard is forgotten"))
        except BROKER_ERRORS as error:
            raise ChannelStuck(f"the channel of shard {self.number}") from error
        if not _is_over(channel):
            raise ChannelStuck(f"the channel of shard {self.number}: its end is not confirmed")

    def _note_end(self, ended: Exception) -> None:
        first = _leaves(ended)[0]
        self._around.metrics.shard_ends.labels(type(first).__name__).inc()
        log.warning("shard_forgotten", shard=self.number, reason=repr(first), exc_info=_if_unknown(first))


def _is_over(channel: Channel) -> bool:
    """The driver's `close` also returns when it has given up waiting for the broker's word. Under an alarm that word
    comes later, and all that is begun next stands behind it."""
    connection = channel.connection
    return not connection.is_opened or connection.channels.get(channel.number) is not channel or is_blocked(connection)


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _if_unknown(error: Exception) -> Exception | None:
    return None if isinstance(error, (NotConfirmed, ChannelLost, *BROKER_ERRORS)) else error
