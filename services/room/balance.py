"""Which room worker holds which shards, and which one gives one up, so that loads end at most one apart. Pure; moments
are seconds of a monotonic clock.

Each worker judges by itself, from heartbeats alone, and gives up one of its own shards; who gets it the broker
decides: whoever has stood in that shard's line longest. This ends, whatever the lines are: who gives up has at least
two more than the least loaded, so nobody comes back to the lowest load by giving up; and a shard that went round for
ever would pass the least loaded worker too.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.control import WorkerHeartbeat, WorkerId
from services.room.gates import MISSED_HEARTBEATS

UNEVEN: Final = 2
FIRST_COUNT_SECONDS: Final = 1.0
LONGEST_COUNT_SECONDS: Final = 60.0


class Peer(NamedTuple):
    """What a worker said last, and until when it is believed."""

    shards: tuple[int, ...]
    ready: bool
    interval_seconds: float
    until: float


class Unheld(NamedTuple):
    """A shard that nobody says to hold: when to ask for it, and how long to wait after that."""

    ask_at: float
    pause_seconds: float


class Peers:
    """All room workers, this one among them, by their heartbeats. Three missed ones and a worker is gone; one that is
    not ready and holds nothing does not count, be it on its way in or out."""

    def __init__(self, worker: WorkerId, shards: int, *, still_seconds: float) -> None:
        """`still_seconds`: how long nothing may have changed before a shard is given up."""
        self._worker = worker
        self._shards = shards
        self._still_seconds = still_seconds
        self._peers: dict[WorkerId, Peer] = {}
        self._unheld: dict[int, Unheld] = {}
        self._changed_at = 0.0
        self._waits_for_others = False

    def receive(self, heartbeat: WorkerHeartbeat, now: float) -> None:
        """A worker said what it does. The shard it took over last comes last."""
        if not heartbeat.ready and not heartbeat.shards:
            self._drop([heartbeat.worker], now)
            return
        interval = heartbeat.interval_seconds
        peer = Peer(heartbeat.shards, heartbeat.ready, interval, now + MISSED_HEARTBEATS * interval)
        known = self._peers.get(heartbeat.worker)
        self._peers[heartbeat.worker] = peer
        if known is None or (set(known.shards), known.ready) != (set(peer.shards), peer.ready):
            self._note_change(heartbeat.worker, now)

    def receive_silence(self, now: float) -> None:
        """Nothing at all can be heard, which is nobody's fault: every lease begins anew, and nothing is known for
        certain."""
        for worker, peer in self._peers.items():
            self._peers[worker] = peer._replace(until=now + MISSED_HEARTBEATS * peer.interval_seconds)
        self._changed_at = now

    def expire(self, now: float) -> list[WorkerId]:
        """Forget the workers that fell silent, and name them."""
        lost = [worker for worker, peer in self._peers.items() if peer.until <= now]
        self._drop(lost, now)
        return lost

    def give_up(self, now: float) -> int | None:
        """Give up a shard, if it is time to; which: the caller does so.

        It is time when this worker is the most loaded, of several the one with the smallest id, some other has at least
        two less, every shard is held exactly once, all are ready, and all that has been so for a while. It is the shard
        taken over last: it has the least in memory, and one that came to a worker with many goes on at once to the next
        in its line. One that comes back, because those in its line are gone and their silence was not noticed yet, is
        not given up again before something changes with the others.
        """
        if self._waits_for_others or not self._is_settled() or now - self._changed_at < self._still_seconds:
            return None
        loads = {worker: len(peer.shards) for worker, peer in self._peers.items()}
        most = max(loads.values())
        heaviest = min(worker for worker, load in loads.items() if load == most)
        if heaviest != self._worker or most - min(loads.values()) < UNEVEN:
            return None
        self._waits_for_others = True
        return self._peers[heaviest].shards[-1]

    def shards_to_count(self, now: float) -> list[int]:
        """The shards that nobody says to hold, where this worker is to ask for who does: it is the one with the
        smallest id. They are named again after growing pauses, until somebody says so."""
        held = set(self._held())
        for shard in range(self._shards):
            if shard in held:
                self._unheld.pop(shard, None)
            else:
                self._unheld.setdefault(shard, Unheld(now + FIRST_COUNT_SECONDS, 2 * FIRST_COUNT_SECONDS))
        due = [shard for shard, unheld in self._unheld.items() if unheld.ask_at <= now]
        for shard in due:
            pause = self._unheld[shard].pause_seconds
            self._unheld[shard] = Unheld(now + pause, min(2 * pause, LONGEST_COUNT_SECONDS))
        return due if self._worker == min(self._peers, default=None) else []

    def _is_settled(self) -> bool:
        every_shard_once = sorted(self._held()) == list(range(self._shards))
        return every_shard_once and all(peer.ready for peer in self._peers.values())

    def _held(self) -> list[int]:
        return [shard for peer in self._peers.values() for shard in peer.shards]

    def _drop(self, workers: Iterable[WorkerId], now: float) -> None:
        for worker in workers:
            if self._peers.pop(worker, None) is not None:
                self._note_change(worker, now)
                self._unheld.clear()

    def _note_change(self, worker: WorkerId, now: float) -> None:
        self._changed_at = now
        if worker != self._worker:
            self._waits_for_others = False
