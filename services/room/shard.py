"""One shard of this worker: a term after the other, each on a channel of its own, with everything forgotten between.

Never `basic.cancel`: the broker may wake the successor while deliveries are in progress. A channel is closed instead.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Final

import structlog
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import ChannelClosed
from pamqp import commands

from schemas import routes
from schemas.ids import CommandId, UserId
from schemas.queries import LookupQuery
from services.room.surroundings import Surroundings
from services.room.term import ChannelLost, Term
from services.runtime.broker import (
    BROKER_ERRORS,
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    NotConfirmed,
    is_cancelled,
    open_channel,
    publish_confirmed,
    wait_or,
)

log = structlog.get_logger()

LONG_TERM_SECONDS: Final = 30.0
"""A term that lasted this long ended by mischance; the next begins without a longer pause."""
NOBODY: Final = "nobody"
"""A queue that does not exist: the answer goes nowhere, but the query is one that history can settle."""
PROBE: Final = (UserId("gatehouse"), CommandId("log-probe"))


class ChannelStuck(ConnectionError):
    """The broker did not confirm the end of a channel: only the end of the connection frees the shard."""


class Shard:
    """Owns the terms of one shard on one connection."""

    def __init__(self, number: int, connection: AbstractConnection, around: Surroundings) -> None:
        self._connection = connection
        self._around = around
        self._stopping = asyncio.Event()
        self.number = number
        self.term: Term | None = None

    async def serve(self) -> None:
        """Work until `drain`; every failure of a term but a stuck channel ends in the next term.

        Raises:
            ChannelStuck: the connection must go.
        """
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                await self._serve_term()
            except ChannelStuck:
                raise
            except Exception as ended:  # noqa: BLE001 - the outermost loop of a shard: forget, and start again
                self._note_end(ended)
                _raise_if_cancelled()
                pause = FIRST_PAUSE_SECONDS if time.monotonic() - began > LONG_TERM_SECONDS else pause
                await wait_or(self._stopping, pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            else:
                _raise_if_cancelled()

    def drain(self) -> None:
        """End the present term when what is in progress is out; begin no other."""
        self._stopping.set()
        if self.term is not None:
            self.term.drain()

    async def _serve_term(self) -> None:
        channel = await open_channel(self._connection, confirms=True, prefetch=self._around.settings.prefetch)
        try:
            await self._prove_log(channel)
            self.term = Term(self.number, channel, self._around)
            if not self._stopping.is_set():
                await self.term.run()
        finally:
            self._keep_doubt()
            self.term = None
            await self._close(channel)

    async def _prove_log(self, channel: Channel) -> None:
        """After an event or a query that was not confirmed, take up nothing before the log takes something again: each
        failed term would bring every delivery in progress nearer to the broker's delivery limit. A query nobody waits
        for is harmless.

        Raises:
            NotConfirmed: it does not.
        """
        room = self._around.doubts.get(self.number)
        if room is None:
            return
        actor, command_id = PROBE
        query = LookupQuery(room=room, actor=actor, command_id=command_id)
        properties = commands.Basic.Properties(content_type="application/json", reply_to=NOBODY, correlation_id=NOBODY)
        timeout = self._around.settings.broker_timeout_seconds
        key = routes.query_key(room)
        await publish_confirmed(channel, routes.LOG, key, query.to_json(), properties, timeout_seconds=timeout)
        del self._around.doubts[self.number]

    def _keep_doubt(self) -> None:
        room = self.term.unconfirmed_room if self.term is not None else None
        if room is not None:
            self._around.doubts[self.number] = room

    async def _close(self, channel: Channel) -> None:
        timeout = self._around.settings.broker_timeout_seconds
        try:
            async with asyncio.timeout(timeout):
                await channel.close(ChannelClosed(None, "the shard is forgotten"))
        except BROKER_ERRORS as error:
            raise ChannelStuck(f"the channel of shard {self.number}") from error

    def _note_end(self, ended: Exception) -> None:
        first = _leaves(ended)[0]
        self._around.metrics.shard_ends.labels(type(first).__name__).inc()
        log.warning("shard_forgotten", shard=self.number, reason=repr(first), exc_info=_if_unknown(first))


def _raise_if_cancelled() -> None:
    """A task group that fails while its task is cancelled raises the failure alone and loses the cancellation (Python
    before 3.13), and so may `wait_for` in the driver. Raises CancelledError when that happened."""
    if is_cancelled():
        raise asyncio.CancelledError


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _if_unknown(error: Exception) -> Exception | None:
    return None if isinstance(error, (NotConfirmed, ChannelLost, *BROKER_ERRORS)) else error
