"""What one connection has been given and may not have been written yet, counted for all of its sessions. No I/O."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Backlog:
    """While the transport keeps up nothing is counted. Once it says that it holds enough (`pause`), so many more frames
    and bytes of pushes still have a place, until it has sent what waits (`resume`).

    Only pushes are counted: answers are bounded by the commands in flight, and who does not read is not read either.
    """

    frames_limit: int = 256
    bytes_limit: int = 1024 * 1024
    paused: bool = False
    _frames: int = 0
    _bytes: int = 0

    def pause(self) -> None:
        """The transport holds as much as it wants."""
        self.paused = True

    def resume(self) -> None:
        """The client took what waited."""
        self.paused = False
        self._frames = self._bytes = 0

    def take(self, frames: int, size: int) -> bool:
        """Whether pushes of so many frames and bytes still have a place; they are counted when they have."""
        if not self.paused:
            return True
        if self._frames + frames > self.frames_limit or self._bytes + size > self.bytes_limit:
            return False
        self._frames += frames
        self._bytes += size
        return True
