"""A shard that is asked to end while it begins something."""

import asyncio
import contextlib

from services.room.shard import Shard
from tests.bed.waiting import eventually
from tests.unit.room.given import ROOM
from tests.unit.room.unplugged import SHARD, FakeChannel, FakeOutlet, around


class RefusingChannel(FakeChannel):
    """The log takes nothing."""

    async def basic_publish(self, _body, **_):
        self.published.append(("", ""))
        raise RuntimeError("nack")


class ShardWithDoor(Shard):
    """Its channels open when `door` is set."""

    def __init__(self, around_it):
        super().__init__(SHARD, None, around_it)
        self.door = asyncio.Event()
        self.knocked = asyncio.Event()
        self.channels = []

    async def _sit_out_alarm(self):
        pass

    @contextlib.asynccontextmanager
    async def _channel(self, _prefetch):
        self.knocked.set()
        await self.door.wait()
        self.channels.append(RefusingChannel())
        yield self.channels[-1]


async def test_a_drain_while_the_channel_of_a_shedding_opens_is_heard():
    around_it = around(FakeOutlet())
    around_it.doubts[SHARD] = ROOM
    shard = ShardWithDoor(around_it)
    serving = asyncio.create_task(shard.serve())
    await eventually(shard.knocked.is_set)
    shard.drain()
    shard.door.set()
    try:
        await eventually(serving.done, within_seconds=5)
    finally:
        serving.cancel()
        await asyncio.wait([serving])
    assert serving.exception() is None
    assert [channel.consumers for channel in shard.channels] == [{}]
    assert around_it.doubts == {SHARD: ROOM}
