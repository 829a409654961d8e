"""Publishing without a wait: many publishes in one write, and a confirm for each, which is no task and no future.

The driver's own `basic_publish` ends only with the confirm. Here the frames are put into the connection's queue by
hand, under the numbers by which the driver sorts the confirms that come back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast
from uuid import uuid4

from aiormq.abc import ChannelFrame
from aiormq.channel import Channel
from aiormq.exceptions import ChannelInvalidStateError
from pamqp import commands

from services.runtime.broker import PATIENCE_STEP_SECONDS, NotConfirmed, confirmed_or_not, is_blocked, is_cancelled
from services.runtime.frames import Envelope, Frames

OnEnd = Callable[[NotConfirmed | None], None]
"""Told once that a publish was taken up, or why it was not; never where the channel is lost first. Must not raise."""


def frames_of(channel: Channel) -> Frames:
    """How this channel's publishes are encoded."""
    return Frames(channel.number, channel.max_content_size)


async def write_publish(
    channel: Channel, exchange: str, key: str, body: bytes, properties: commands.Basic.Properties
) -> asyncio.Future[Any] | None:  # Any: the driver's own frame
    """Write one publish. The future ends once all queues behind it have taken it, or with `DeliveryError` when one
    would not, or with whatever ended the channel. None on a channel that does not confirm.

    Publishes are written in the order of the calls. Waits only while the connection's queue of frames is full.

    Raises:
        aiormq.exceptions.AMQPError, RuntimeError: the channel is closed.
    """
    frames = frames_of(channel).publish(exchange, key, Envelope.of(properties), body, mandatory=False)
    async with channel.lock:
        number = channel.delivery_tag + 1
        confirm = channel.create_future() if channel.publisher_confirms else None
        if confirm is not None:
            channel.confirmations[number] = confirm
        try:
            await channel.write_queue.put(ChannelFrame(frames, should_close=False))
        except BaseException:
            channel.confirmations.pop(number, None)
            raise
        channel.delivery_tag = number
    return confirm


async def write_unconfirmed(channel: Channel, frames: bytes) -> None:
    """Write what `frames_of` made for a channel without confirms. Waits only while the connection's queue of
    frames is full.

    Raises:
        aiormq.exceptions.ChannelInvalidStateError: the channel is closed.
    """
    if channel.is_closed:
        raise ChannelInvalidStateError("the channel is closed")
    await channel.write_queue.put(ChannelFrame(frames, should_close=False))


class _Publish:
    """One publish from its `put` to its end. The driver keeps it among the futures of its confirms, and treats it as
    one of them; but what comes is told at once."""

    __slots__ = ("_publisher", "body", "envelope", "exchange", "is_over", "key", "message_id", "on_end", "since")

    def __init__(
        self, publisher: Publisher, exchange: str, key: str, body: bytes, envelope: Envelope, on_end: OnEnd
    ) -> None:
        self._publisher = publisher
        self.exchange = exchange
        self.key = key
        self.body = body
        self.envelope = envelope
        self.on_end = on_end
        self.since = publisher.counted_seconds
        self.message_id = ""
        self.is_over = False

    def done(self) -> bool:
        """Something came for it."""
        return self.is_over

    def cancelled(self) -> bool:
        """Nobody takes a publish back."""
        return False

    def set_result(self, _: object) -> None:
        """All queues behind it have taken it."""
        self._publisher.receive_end(self, None)

    def set_exception(self, error: BaseException) -> None:
        """One of them would not, or there was none."""
        self._publisher.receive_end(self, self.not_confirmed(repr(error)))

    def not_confirmed(self, reason: str) -> NotConfirmed:
        """What is to be said of it."""
        return NotConfirmed(self.exchange, self.key, reason)


class Publisher:
    """Mandatory publishes on one confirming channel, written in the order of the calls.

    Its owner runs `write` and `watch`, as long as the channel lives; either ends with the first publish that is not
    taken up. Nothing is bounded here: whoever puts bounds what is unconfirmed.

    Attributes:
        counted_seconds: how long `watch` has waited so far, without the time under alarms.
    """

    def __init__(self, channel: Channel, *, timeout_seconds: float) -> None:
        """`timeout_seconds`: how long a confirm may take. Time during which an alarm of the broker blocks the
        connection does not count: what was written is taken up once the alarm is over."""
        self._channel = channel
        self._frames = frames_of(channel)
        self._timeout_seconds = timeout_seconds
        self._step_seconds: Final = min(PATIENCE_STEP_SECONDS, timeout_seconds / 4)
        self._prefix = uuid4().hex[:12]
        self.counted_seconds = 0.0
        self._outgoing: list[_Publish] = []
        self._unconfirmed: dict[_Publish, None] = {}
        self._wake = asyncio.Event()
        self._refused: asyncio.Future[NotConfirmed] = asyncio.get_running_loop().create_future()

    def put(self, exchange: str, key: str, body: bytes, envelope: Envelope, on_end: OnEnd) -> None:
        """Publish; never waits. `envelope` has no message id, nor anything that stands behind it."""
        publish = _Publish(self, exchange, key, body, envelope, on_end)
        self._unconfirmed[publish] = None
        self._outgoing.append(publish)
        self._wake.set()

    async def publish(self, exchange: str, key: str, body: bytes, envelope: Envelope) -> None:
        """The same with a wait for the end.

        Raises:
            NotConfirmed: it was not taken up.
        """
        ended: asyncio.Future[NotConfirmed | None] = asyncio.get_running_loop().create_future()
        self.put(exchange, key, body, envelope, lambda error: None if ended.done() else ended.set_result(error))
        error = await ended
        if error is not None:
            raise error

    def receive_end(self, publish: _Publish, error: NotConfirmed | None) -> None:
        """The broker took a publish, or would not."""
        publish.is_over = True
        del self._unconfirmed[publish]
        self._channel.message_id_delivery_tag.pop(publish.message_id, None)
        publish.on_end(error)
        if error is not None and not self._refused.done():
            self._refused.set_result(error)

    async def write(self) -> None:
        """Write what is put, until cancelled: all that is there at once.

        Raises:
            NotConfirmed: the channel is closed.
        """
        while not is_cancelled():
            await self._wake.wait()
            self._wake.clear()
            if self._outgoing:
                first = self._outgoing[0]
                async with confirmed_or_not(first.exchange, first.key), self._channel.lock:
                    await self._write_outgoing()

    async def watch(self) -> None:
        """Wait, until cancelled, for a publish that is refused or late.

        Raises:
            NotConfirmed: there is one.
        """
        while not is_cancelled():
            await asyncio.wait((self._refused,), timeout=self._step_seconds)
            if self._refused.done():
                raise self._refused.result()
            if not is_blocked(self._channel.connection):
                self.counted_seconds += self._step_seconds
            self._check_oldest()

    def _check_oldest(self) -> None:
        """A publish was put up to a step behind `since`: that step is given to it."""
        oldest = next(iter(self._unconfirmed), None)
        if oldest is not None and self.counted_seconds - oldest.since > self._timeout_seconds:
            raise oldest.not_confirmed("no confirm in time")

    async def _write_outgoing(self) -> None:
        """Under the channel's lock: the numbers are the broker's own count of what arrives."""
        publishes, self._outgoing = self._outgoing, []
        channel, first = self._channel, self._channel.delivery_tag + 1
        frames = b"".join(self._numbered(publish, first + place) for place, publish in enumerate(publishes))
        await channel.write_queue.put(ChannelFrame(frames, should_close=False))
        channel.delivery_tag += len(publishes)

    def _numbered(self, publish: _Publish, number: int) -> bytes:
        """The driver finds what comes back unroutable by its message id. Consumers see it too: it is no other one's."""
        channel = self._channel
        publish.message_id = f"{self._prefix}-{number}"
        channel.confirmations[number] = cast("asyncio.Future[Any]", publish)  # all of one that the driver uses
        channel.message_id_delivery_tag[publish.message_id] = number
        envelope = publish.envelope.numbered(publish.message_id)
        return self._frames.publish(publish.exchange, publish.key, envelope, publish.body, mandatory=True)
