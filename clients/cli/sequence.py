"""One room's numbering at a client: every seq in order and once, whatever order things arrive in (I3). Pure."""

from __future__ import annotations

from typing import Final, Generic, TypeVar

AHEAD_LIMIT: Final = 1_000
"""How many entries may wait behind a hole; more are dropped and come again with the fill."""

Position = tuple[str, int]
"""An epoch, and the seq up to which all was handed out."""

Entry = TypeVar("Entry")


class Sequence(Generic[Entry]):
    """Entries by seq, in one epoch. Holds everything back until `start` says where the numbering begins here.

    Attributes:
        epoch: the incarnation of the numbering.
        seq: all up to and including this was handed out; None before the start.
        top: the highest seq known to exist.
    """

    def __init__(self, epoch: str, top: int) -> None:
        self.epoch = epoch
        self.seq: int | None = None
        self.top = top
        self._ahead: dict[int, Entry] = {}

    @property
    def missing(self) -> bool:
        """Whether something known to exist has not come."""
        return self.seq is not None and self.seq < self.top

    def start(self, seq: int) -> list[Entry]:
        """Everything up to `seq` needs no handing out; give what waited behind it."""
        self.seq = seq
        self.top = max(self.top, seq)
        return self._drain()

    def put(self, seq: int, entry: Entry) -> list[Entry]:
        """Take an entry in and give those whose turn it is; a repeat gives nothing."""
        self.top = max(self.top, seq)
        is_next = self.seq is not None and seq == self.seq + 1
        if is_next or len(self._ahead) < AHEAD_LIMIT:
            self._ahead.setdefault(seq, entry)
        return self._drain()

    def reach(self, top: int) -> None:
        """The room is at least this far."""
        self.top = max(self.top, top)

    def give_up(self) -> tuple[int, list[Entry]]:
        """Pass over the first hole: how many seqs it had, and the entries behind it."""
        if self.seq is None:
            raise AssertionError("a numbering that has not started has no hole")
        first = min(self._ahead, default=self.top + 1)
        lost = first - self.seq - 1
        self.seq = first - 1
        return lost, self._drain()

    def _drain(self) -> list[Entry]:
        if self.seq is None:
            return []
        for seq in [seq for seq in self._ahead if seq <= self.seq]:
            del self._ahead[seq]
        ready = []
        while (entry := self._ahead.pop(self.seq + 1, None)) is not None:
            self.seq += 1
            ready.append(entry)
        return ready
