"""The wires do to a connection what they say, and nothing else."""

import asyncio
import time

import pytest

from tests.bed.waiting import eventually
from tests.reliability.nemesis.wires import Wire

SECONDS = 10


@pytest.fixture
async def wire(ports):
    """A wire to somebody who says everything back."""
    port = ports.take()
    talking = set()

    async def echo(reader, writer):
        talking.add(writer)
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", port)
    made = Wire(("127.0.0.1", port), ports.take())
    await made.open()
    yield made
    await made.close()
    server.close()
    for writer in talking:
        writer.close()
    await eventually(lambda: all(writer.transport.is_closing() for writer in talking), SECONDS)


async def dialled(wire):
    return await asyncio.open_connection("127.0.0.1", wire.port)


async def said(pair, word, within=SECONDS):
    reader, writer = pair
    writer.write(word)
    return await asyncio.wait_for(reader.readexactly(len(word)), within)


async def test_what_goes_in_comes_out(wire):
    pair = await dialled(wire)
    words = [bytes([number % 256]) * 10_000 for number in range(300)]
    pair[1].write(b"".join(words))
    assert await asyncio.wait_for(pair[0].readexactly(3_000_000), SECONDS) == b"".join(words)
    pair[1].close()


async def test_a_cut_resets_what_there_is_and_whoever_comes_until_it_is_mended(wire):
    pair = await dialled(wire)
    await said(pair, b"one")
    wire.cut()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(pair[0].read(1), SECONDS)
    late = await dialled(wire)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(late[0].read(1), SECONDS)
    wire.mend()
    again = await dialled(wire)
    assert await said(again, b"two") == b"two"
    for each in (pair, late, again):
        each[1].close()


async def test_a_partition_holds_everything_and_brings_it_afterwards(wire):
    pair = await dialled(wire)
    await said(pair, b"one")
    wire.freeze()
    pair[1].write(b"two")
    newcomer = await dialled(wire)
    newcomer[1].write(b"three")
    hearing = asyncio.gather(pair[0].readexactly(3), newcomer[0].readexactly(5))
    done, _ = await asyncio.wait([hearing], timeout=0.3)
    assert not done
    wire.mend()
    assert await asyncio.wait_for(hearing, SECONDS) == [b"two", b"three"]
    for each in (pair, newcomer):
        each[1].close()


async def test_a_slow_wire_keeps_the_order_and_takes_its_time_each_way(wire):
    pair = await dialled(wire)
    await said(pair, b"one")
    wire.slow(0.2)
    began = time.monotonic()
    for number in range(50):
        pair[1].write(b"%03d" % number)
    told = await asyncio.wait_for(pair[0].readexactly(150), SECONDS)
    assert told == b"".join(b"%03d" % number for number in range(50))
    assert time.monotonic() - began >= 0.4
    pair[1].close()


async def test_the_end_of_one_side_is_the_end_of_the_other(wire):
    reader, writer = await dialled(wire)
    writer.write(b"last")
    assert await asyncio.wait_for(reader.readexactly(4), SECONDS) == b"last"
    writer.close()
    await eventually(lambda: not wire._ends, SECONDS, "both ends are gone")
