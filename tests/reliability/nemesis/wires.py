"""The network between two processes: a relay of ours in between, which can be cut, frozen, or made slow.

A wire carries every connection from one process to one address. `cut` is a cable pulled out of a machine that answers
with resets; `freeze` is a partition: nothing passes, nobody is told, and what was on its way arrives afterwards.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Final, cast

from infra.local.ports import HOST
from tests.reliability.line import RESET_ON_CLOSE

HELD_BYTES: Final = 4 * 2**20
"""So much may be on its way in one direction; then nothing more is read, as a full pipe would have it."""
FROZEN: Final = "frozen"
FULL: Final = "full"


class Wire:
    """From whoever connects to `port` on this machine to `target`."""

    def __init__(self, target: tuple[str, int], port: int) -> None:
        self._target = target
        self.port = port
        self.delay_seconds = 0.0
        self.is_cut = False
        self.is_frozen = False
        self._ends: set[_End] = set()
        self._reaching: set[asyncio.Task[None]] = set()
        self._thawed = asyncio.Event()
        self._thawed.set()

    async def open(self) -> None:
        """Begin to carry."""
        self._server = await asyncio.get_running_loop().create_server(lambda: _End(self), HOST, self.port)

    async def close(self) -> None:
        """End everything."""
        self._server.close()
        self.is_cut = True
        for reaching in self._reaching:
            reaching.cancel()
        await asyncio.gather(*self._reaching, return_exceptions=True)
        self._reset_all()

    def cut(self) -> None:
        """Reset what there is, and whoever comes, until `mend`."""
        self.is_cut = True
        self._reset_all()

    def freeze(self) -> None:
        """Let nothing pass until `mend`."""
        self.is_frozen = True
        self._thawed.clear()
        for end in self._ends:
            end.hold(FROZEN)

    def slow(self, delay_seconds: float) -> None:
        """Let everything take so much longer, each way, until `mend`."""
        self.delay_seconds = delay_seconds

    def mend(self) -> None:
        """As good as new."""
        self.is_cut = self.is_frozen = False
        self.delay_seconds = 0.0
        self._thawed.set()
        for end in list(self._ends):
            end.let_go(FROZEN)

    # What the ends report.

    def accept(self, end: _End) -> None:
        """Somebody came: reach the other side for them."""
        if self.is_cut:
            end.reset()
            return
        self._ends.add(end)
        reaching = asyncio.get_running_loop().create_task(self._reach(end))
        self._reaching.add(reaching)
        reaching.add_done_callback(self._reaching.discard)

    def forget(self, end: _End) -> None:
        """An end is gone."""
        self._ends.discard(end)

    async def _reach(self, end: _End) -> None:
        await self._thawed.wait()
        try:
            _, far = await asyncio.get_running_loop().create_connection(lambda: _End(self, end), *self._target)
        except OSError:
            end.reset()
            return
        if self.is_cut or end.is_over:
            far.reset()
            return
        self._ends.add(far)
        if self.is_frozen:
            far.hold(FROZEN)
        end.meet(far)

    def _reset_all(self) -> None:
        for end in list(self._ends):
            end.reset()


class _End(asyncio.Protocol):
    """One socket of a connection through the wire; what it reads its peer writes, in order, `delay_seconds` later."""

    def __init__(self, wire: Wire, peer: _End | None = None) -> None:
        self._wire = wire
        self._peer = peer
        self._reasons: set[str] = set()
        self._early: list[bytes] = []
        self._coming: deque[tuple[float, bytes | None]] = deque()
        self._coming_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self.is_over = False

    def meet(self, peer: _End) -> None:
        """The other side is there, and gets what was said before."""
        self._peer = peer
        for data in self._early:
            peer.take(data)
        self._early.clear()

    def hold(self, reason: str) -> None:
        """Read no more, and write no more where that is for the wire's sake."""
        self._reasons.add(reason)
        if not self.is_over:
            self._transport.pause_reading()

    def let_go(self, reason: str) -> None:
        """Go on, unless there is another reason not to."""
        self._reasons.discard(reason)
        if not self.is_over:
            if not self._reasons:
                self._transport.resume_reading()
            self._write_due()

    def reset(self) -> None:
        """End it at once by a TCP reset; what is on its way is gone."""
        if not self.is_over and not self._transport.is_closing():
            plug = self._transport.get_extra_info("socket")
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()

    def take(self, data: bytes | None) -> None:
        """What the peer has read, or None: it ended."""
        last = self._coming[-1][0] if self._coming else 0.0
        self._coming.append((max(last, self._loop.time() + self._wire.delay_seconds), data))
        self._coming_bytes += len(data or b"")
        if self._coming_bytes > HELD_BYTES and self._peer is not None:
            self._peer.hold(FULL)
        self._write_due()

    def _write_due(self) -> None:
        """In order; frozen bytes stay where they are."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._coming and FROZEN not in self._reasons:
            due, data = self._coming[0]
            if due > self._loop.time():
                self._timer = self._loop.call_at(due, self._write_due)
                return
            self._coming.popleft()
            if data is None:
                self._transport.close()
            elif not self._transport.is_closing():
                self._coming_bytes -= len(data)
                self._transport.write(data)
        if self._coming_bytes <= HELD_BYTES and self._peer is not None:
            self._peer.let_go_if(FULL)

    def let_go_if(self, reason: str) -> None:
        """Go on where this was a reason."""
        if reason in self._reasons:
            self.let_go(reason)

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._peer is None:
            self._wire.accept(self)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.take(data)
        else:
            self._early.append(data)

    def pause_writing(self) -> None:
        if self._peer is not None:
            self._peer.hold(FULL)

    def resume_writing(self) -> None:
        if self._peer is not None:
            self._peer.let_go_if(FULL)

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True
        self._wire.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        if self._peer is not None and not self._peer.is_over:
            if isinstance(exc, ConnectionResetError):
                self._peer.reset()
            else:
                self._peer.take(None)
